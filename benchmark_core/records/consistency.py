"""Whether a record's parts agree with one another: plan, track, clips, scores and what they are of."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from benchmark_core.canonical import digest_of
from benchmark_core.clips.modality import streams
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.records.clip_results import decisions_of, hits_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.schema_check import conform
from benchmark_core.scoring.f1 import THRESHOLDS

# What two records of one plan agree in, whoever made them: what was asked for, of which clips, and what came out.
RESULT = ("track", "primary", "privileged", "control", "dataset", "clips", "scores", "per_class", "hits", "updates")
ROUNDING = 1e-9  # what sums in another order may differ by


def check_record(plain: Mapping[str, Any]) -> RunRecord:
    """`plain` as a record: of its shape first, then of its plan. ElrError naming the first that does not fit."""
    conform(plain, RunRecord)
    record = cast(RunRecord, plain)
    plan = record["plan"]
    if record["digest"] != digest_of(plan):
        raise ElrError(f"'digest' is {record['digest']}, but its plan's is {digest_of(plan)}")
    due = [digest_of({**plan, "modality": stream}) for stream in streams(plan["modality"])]
    if record.get("fused", []) != (due if len(due) > 1 else []):
        raise ElrError(f"'fused' is not of the runs of modality {plan['modality']}, which are {', '.join(due)}")
    _check_track(record)
    return record


def check_result(record: RunRecord) -> None:
    """That scores, intervals, classes, hits and decisions agree; ElrError naming the first that does not.

    Whether they are what the predictions make is for `verify` to say.
    """
    _check_scores(record)
    if record["hits"] is not None:
        _check_hits(record)
    if "decisions" in record:
        _check_decisions(record)


def _check_track(record: RunRecord) -> None:
    """That it is one of the plan's. A dataset may have options; a degradation calls its track as it will."""
    plan, track = record["plan"], record["track"]
    if plan["fold"] not in track["folds"]:
        raise ElrError(f"'plan.fold' is '{plan['fold']}', which 'track.folds' does not list")
    due = Plan.from_json(plan).protocol_name
    if track["protocol"] != due:
        raise ElrError(f"'track.protocol' is {track['protocol']!r}, where its plan is of {due!r}")
    asked, said = (re.split("[:,]", str(each["dataset"]))[0] for each in (plan, track))
    if asked != said:
        raise ElrError(f"'track.dataset' is {said!r}, where its plan is of {asked!r}")


def _check_scores(record: RunRecord) -> None:
    """Fractions of all test clips, with intervals."""
    clips, per_class, classes = record["clips"]["test"], record["per_class"], record["dataset"]["classes"]
    if clips < 1:
        raise ElrError(f"'clips.test' is {clips}: nothing was scored")
    if record["primary"] not in record["scores"]:
        raise ElrError(f"'primary' is '{record['primary']}', which 'scores' does not hold")
    for name, score in record["scores"].items():
        value, low, high = score["value"], score["low"], score["high"]
        if not all(0 <= fraction <= 1 for fraction in (value, low, high)) or low > high:
            raise ElrError(f"'scores.{name}' is not a fraction with an interval in [0, 1]")
        if score["interval"] == "wilson95" and not low - ROUNDING <= value <= high + ROUNDING:
            raise ElrError(f"'scores.{name}' is {value:.6g}, outside its own interval, {low:.6g} to {high:.6g}")
        if score["n"] != clips:
            raise ElrError(f"'scores.{name}' is of {score['n']} clips, and 'clips.test' says {clips}")
    if not len(per_class["classes"]) == len(per_class["n"]) == len(per_class["value"]) == classes:
        raise ElrError(f"'per_class' is not of the {classes} classes of the dataset")
    if not all(0 <= n <= clips for n in per_class["n"]):
        raise ElrError(f"'per_class.n' is not of the {clips} test clips")


def _check_hits(record: RunRecord) -> None:
    """That the share of clips that were right is of them."""
    right = float(hits_of(record).mean())
    if "top1" in record["scores"] and abs(right - record["scores"]["top1"]["value"]) > ROUNDING:
        said = record["scores"]["top1"]["value"]
        raise ElrError(f"'hits' make top1 {right:.6g}, and 'scores' says {said:.6g}; run its plan again")
    if sum(record["per_class"]["n"]) != record["clips"]["test"]:
        raise ElrError("'per_class.n' does not add up to 'clips.test'; run its plan again")


def _check_decisions(record: RunRecord) -> None:
    """That they are what the primary score is of."""
    primary, found = record["primary"], decisions_of(record)
    if record["hits"] is not None or record["decisions"]["threshold"] != THRESHOLDS.get(primary):
        raise ElrError(f"'decisions' are not those that '{primary}' of a {record['track']['task']} task is of")
    value, due = found.value(primary), record["scores"][primary]["value"]
    if not math.isclose(value, due, abs_tol=ROUNDING):
        raise ElrError(f"'decisions' make {primary} {value:.6g}, and 'scores' says {due:.6g}; run its plan again")
    if found.truth.sum(axis=0).tolist() != record["per_class"]["n"]:
        raise ElrError("'decisions' have other clips of some class than 'per_class.n'; run its plan again")
