"""Check that the fields of a record agree: plan, track, clips, scores and per-clip results."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, cast

from benchmark_core.canonical import digest_of
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.modality import streams
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.records.clip_results import clip_decisions, clip_hits
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.schema_check import check_schema
from benchmark_core.scoring.f1 import THRESHOLDS

# Fields that must be equal in two records of the same plan.
RESULT_FIELDS = (
    "track",
    "primary",
    "privileged",
    "control",
    "dataset",
    "clips",
    "scores",
    "per_class",
    "hits",
    "updates",
)
ROUNDING = 1e-9  # difference between sums in another order


def check_record(plain: Mapping[str, Any]) -> RunRecord:
    """Return `plain` as a record. ElrError naming the first field that is missing, or that does not fit the plan."""
    check_schema(plain, RunRecord)
    record = cast(RunRecord, plain)
    plan = record["plan"]
    classes, per_class = record["dataset"]["classes"], record["per_class"]
    if not len(per_class["classes"]) == len(per_class["n"]) == len(per_class["value"]) == classes:
        raise ElrError(f"'per_class' does not have the {classes} classes of the dataset")
    if record["digest"] != digest_of(plan):
        raise ElrError(f"'digest' is {record['digest']}, but the digest of its plan is {digest_of(plan)}")
    expected = [digest_of({**plan, "modality": stream}) for stream in streams(plan["modality"])]
    if record.get("fused", []) != (expected if len(expected) > 1 else []):
        raise ElrError(f"'fused' does not list the runs of modality {plan['modality']}: {', '.join(expected)}")
    if record["primary"] not in record["scores"]:
        raise ElrError(f"'primary' is '{record['primary']}', which is not in 'scores'")
    _check_track(record)
    return record


def check_result(record: RunRecord) -> None:
    """Raise ElrError if scores, intervals, classes, hits and decisions do not agree, naming the first that does not.

    `verify_record` compares them with the predictions.
    """
    _check_scores(record)
    if record["hits"] is not None:
        _check_hits(record)
    if "decisions" in record:
        _check_decisions(record)


def _check_track(record: RunRecord) -> None:
    """Check that the track is the plan's. Dataset options are ignored, and a degradation may name its own track."""
    plan, track = record["plan"], record["track"]
    if not (track["dataset"] + track["protocol"] + track["degradation"]).isprintable():
        raise ElrError("'track' has a name with control characters")
    if plan["fold"] not in track["folds"]:
        raise ElrError(f"'plan.fold' is '{plan['fold']}', which is not in 'track.folds'")
    ClipViews.parse(plan.get("test_views", ""))
    protocol = Plan.from_json(plan).protocol_name
    if track["protocol"] != protocol:
        raise ElrError(f"'track.protocol' is {track['protocol']!r}, but its plan has {protocol!r}")
    expected, actual = (re.split("[:,]", str(each["dataset"]))[0] for each in (plan, track))
    if expected != actual:
        raise ElrError(f"'track.dataset' is {actual!r}, but its plan has {expected!r}")


def _check_scores(record: RunRecord) -> None:
    """Check that scores are fractions of all test clips, with intervals."""
    clips, per_class = record["clips"]["test"], record["per_class"]
    for name, score in {**record["scores"], **record.get("window_scores", {})}.items():
        value, low, high = score["value"], score["low"], score["high"]
        if low > high:
            field = "scores" if name in record["scores"] else "window_scores"
            raise ElrError(f"'{field}.{name}' has an interval that begins at {low:.6g}, above its end {high:.6g}")
        if score["interval"] == "wilson95" and not low - ROUNDING <= value <= high + ROUNDING:
            raise ElrError(f"'scores.{name}' is {value:.6g}, outside its own interval, {low:.6g} to {high:.6g}")
        if name in record["scores"] and score["n"] != clips:
            raise ElrError(f"'scores.{name}' is over {score['n']} clips, but 'clips.test' is {clips}")
    if record.get("shared_clips", 0) > record["clips"]["train"]:
        raise ElrError(f"'shared_clips' is more than the {record['clips']['train']} training clips")
    if any(n > clips for n in per_class["n"]):
        raise ElrError(f"'per_class.n' is more than the {clips} test clips")


def _check_hits(record: RunRecord) -> None:
    """Check that top1 is the mean of the hits."""
    hit_rate = float(clip_hits(record).mean())
    if "top1" in record["scores"] and abs(hit_rate - record["scores"]["top1"]["value"]) > ROUNDING:
        top1 = record["scores"]["top1"]["value"]
        raise ElrError(f"'hits' give top1 {hit_rate:.6g}, but 'scores' has {top1:.6g}; run its plan again")
    if sum(record["per_class"]["n"]) != record["clips"]["test"]:
        raise ElrError("'per_class.n' does not add up to 'clips.test'; run its plan again")


def _check_decisions(record: RunRecord) -> None:
    """Check that the decisions give the primary score."""
    primary, found = record["primary"], clip_decisions(record)
    if record["hits"] is not None or record["decisions"]["threshold"] != THRESHOLDS.get(primary):
        raise ElrError(f"'decisions' do not belong to '{primary}' of a {record['track']['task']} task")
    value, expected = found.value(primary), record["scores"][primary]["value"]
    if not math.isclose(value, expected, abs_tol=ROUNDING):
        raise ElrError(f"'decisions' give {primary} {value:.6g}, but 'scores' has {expected:.6g}; run its plan again")
    if found.truth.sum(axis=0).tolist() != record["per_class"]["n"]:
        raise ElrError("'decisions' disagree with 'per_class.n'; run its plan again")
