"""What attacks on low views found, from run records alone: scores next to a guess, to the action, and to cost."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import PlanFields, RunRecord
from benchmark_core.scoring.pairs import PAIRS, Verification, verify
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Difference
from benchmark_core.tables.compare import compare_groups, compare_pairs, pair_groups
from benchmark_core.tables.rows import TableRow, group_rows
from elrbench_plugins.commands.privacy.findings import Contrast, Findings, Leakage
from elrbench_plugins.commands.site.curves import size_of

ReadCost: TypeAlias = Callable[[RunRecord], CostRecord | None]
ReadPredictions: TypeAlias = Callable[[RunRecord], Predictions | None]
GUESS = "guess"
_OF_VIEW = ("dataset.", "degradation.")  # settings that do not belong to the network


def find_leaks(
    attacks: Sequence[RunRecord],
    actions: Sequence[RunRecord],
    *,
    cost: ReadCost,
    predictions: ReadPredictions | None,
) -> Findings:
    """Return the attacks by view, smallest view first, then by the parameters of the enhancer.

    Args:
        attacks: records of runs on one target by one protocol; at least one.
        actions: records of runs on actions by one protocol. They join the attacks by degradation and network.
        cost: returns the cost of a record.
        predictions: returns the predictions of a record, for verification; None: verify nothing.
    """
    of_network: dict[str, list[TableRow]] = {}
    for row in group_rows(actions):
        of_network.setdefault(network_key(row.first), []).append(row)
    rows = []
    for row in group_rows(attacks):
        same = of_network.get(network_key(row.first), [])
        action = max(same, key=lambda other: len(other.seeds), default=None)
        rows.append(_leakage(row, action, cost(row.first), predictions))
    rows = sorted(_told_apart(rows), key=_order)
    contrasts, remarks = _contrasts(rows)
    track = attacks[0]["track"]
    joined = [row.action.first["track"] for row in rows if row.action]
    return Findings(
        track=track["dataset"],
        protocol=track["protocol"],
        target=attacks[0]["plan"]["dataset"].partition(":")[2],
        actions=f"{joined[0]['dataset']}, {joined[0]['protocol']}" if joined else "",
        rows=tuple(rows),
        contrasts=tuple(contrasts),
        remarks=tuple(remarks),
    )


def _told_apart(rows: Sequence[Leakage]) -> list[Leakage]:
    """Return the rows with the options in which attackers of one name differ, or enhancers of one name."""
    named: dict[int, list[str]] = {id(row): [] for row in rows}
    for enhancer in (False, True):
        groups: dict[tuple[str, ...], list[Leakage]] = {}
        for row in rows:
            name, enhanced, budget = _network_name(row)
            groups.setdefault((name, budget, enhanced if enhancer else ""), []).append(row)
        for group in groups.values():
            settings = [_options(row.attack.first["plan"], enhancer) for row in group]
            values: dict[str, set[str]] = {}
            for key, value in ((key, value) for each in settings for key, value in each.items()):
                values.setdefault(key, set()).add(str(value))
            for row, each in zip(group, settings, strict=True):
                named[id(row)] += [f"{k.rpartition('.')[2]}={each[k]}" for k in sorted(each) if len(values[k]) > 1]
    return [replace(row, options=", ".join(named[id(row)])) for row in rows]


def _options(plan: PlanFields, enhancer: bool) -> dict[str, Any]:
    """Return the settings of the enhancer; or those of the network, with its size if views are enlarged for it."""
    settings = {
        key: value
        for key, value in plan["settings"].items()
        if not key.startswith(_OF_VIEW) and key.startswith("enhancer.") is enhancer
    }
    enlarged = not enhancer and plan["enhancer"] != "none"
    return {**settings, "size": "x".join(map(str, plan["size"]))} if enlarged else settings


def network_key(record: RunRecord) -> str:
    """Return what a run on actions and an attack share: degradation and plan, without dataset, protocol, seed, fold."""
    plan: dict[str, Any] = {**record["plan"]}
    settings = {key: value for key, value in plan.pop("settings").items() if not key.startswith("dataset.")}
    own = ("dataset", "protocol", "fold", "seed", "classes")
    return json.dumps([{key: value for key, value in plan.items() if key not in own}, settings], sort_keys=True)


def _leakage(
    row: TableRow, action: TableRow | None, cost: CostRecord | None, predictions: ReadPredictions | None
) -> Leakage:
    metric = row.first["primary"]
    scored = bool(row.seeds)
    guess = _guess(row) if scored else None
    return Leakage(
        attack=row,
        action=action,
        score=row.interval(metric) if scored else None,
        acted=action.interval(action.first["primary"]) if action and action.seeds else None,
        chance=_chance(row) if scored else None,
        guess=guess.mean(metric) if guess else None,
        advantage=_advantage(row, guess) if guess else None,
        verification=_verified(row, predictions) if scored and predictions else None,
        cost=cost,
    )


def _chance(row: TableRow) -> float | None:
    """Return the score of always naming the most frequent class of a fold's test clips, folds weighted as in scores.

    Of pairs: one half, the ROC area of equal similarities.
    """
    if row.first["primary"] == PAIRS:
        return 0.5
    if row.first["track"]["task"] != "single-label":
        return None
    counts = [record["per_class"]["n"] for record in row.runs[row.seeds[0]].values()]
    pooled = row.first["track"].get("pooled", False)
    weights = [sum(each) if pooled else 1 for each in counts]
    best = (weight * max(each) / sum(each) for weight, each in zip(weights, counts, strict=True))
    return math.fsum(best) / sum(weights)


def _guess(row: TableRow) -> TableRow | None:
    """Return the guess from the action's name as if it were the row's runs; None if a run has none."""
    if any("action_guess" not in record for record in row.scored):
        return None

    def as_run(record: RunRecord) -> RunRecord:
        guess, plan = record["action_guess"], {**record["plan"], "method": GUESS}
        return cast(RunRecord, {**record, "plan": plan, "scores": guess["scores"], "hits": guess["hits"]})

    return TableRow(
        GUESS, {seed: {fold: as_run(record) for fold, record in folds.items()} for seed, folds in row.runs.items()}
    )


def _advantage(row: TableRow, guess: TableRow) -> Difference:
    """Return score - guess, with the paired interval over test clips if both have hits."""
    metric = row.first["primary"]
    if row.first["hits"] is not None and guess.first["hits"] is not None:
        return compare_groups(row.scored, guess.scored).difference
    clips = sum(record["scores"][metric]["n"] for record in row.runs[row.seeds[0]].values())
    return Difference(row.interval(metric).mean - guess.interval(metric).mean, math.nan, math.nan, clips)


def _verified(row: TableRow, predictions: ReadPredictions) -> Verification | None:
    """Return the verification of a row; None if it is multi-label or predictions of a run are missing."""
    runs = []
    for seed in row.seeds:
        folds = []
        for record in row.runs[seed].values():
            found = predictions(record) if record["track"]["task"] == "single-label" else None
            if found is None:
                return None
            folds.append((found.logits, np.asarray(found.targets, dtype=np.int64)))
        runs.append(folds)
    return verify(runs)


def _order(row: Leakage) -> tuple[Any, ...]:
    """Sort by view, smallest first and `high` last, then by parameters of the enhancer, then by names."""
    size, _ = size_of(row.degradation)
    enhancer = row.cost["params"]["enhancer"] if row.cost else 0
    view = (row.informed, math.prod(size) if size else math.inf, row.degradation)
    return (*view, row.enhancer != "none", enhancer, row.enhancer, row.attacker, row.attack.key)


def _contrasts(rows: Sequence[Leakage]) -> tuple[list[Contrast], list[str]]:
    """Compare each attacker with itself on its first view, and on one view its enhancers and a method's networks."""
    across_views = (_network_name, lambda row: row.view)  # rows of one group, and what must differ in a pair
    across_enhancers = (lambda row: (row.view, row.attacker), lambda row: row.enhancer)
    across_networks = (lambda row: (row.view, row.attack.first["plan"]["method"]), lambda row: row.attacker)
    pairs: dict[tuple[int, int], tuple[Leakage, Leakage]] = {}
    for group_of, differs in (across_views, across_enhancers, across_networks):
        groups: dict[Any, list[Leakage]] = {}
        for row in rows:
            if row.score is not None and not row.informed:
                groups.setdefault(group_of(row), []).append(row)
        for first, *others in groups.values():
            pairs |= {(id(other), id(first)): (other, first) for other in others if differs(other) != differs(first)}
    found: list[Contrast] = []
    remarks: dict[str, None] = {}
    for after, before in pairs.values():
        try:
            pairing = pair_groups(after.attack.scored, before.attack.scored, across_degradations=True)
            found.append(Contrast(after=after, before=before, comparison=compare_pairs(pairing)))
        except ElrError as error:
            remarks[str(error)] = None
    return found, list(remarks)


def _network_name(row: Leakage) -> tuple[str, ...]:
    return row.attacker, row.enhancer, row.attack.first["plan"]["budget"]


def pareto(rows: Sequence[tuple[float, float, float]]) -> list[bool]:
    """Return which of (accuracy, leakage, MACs) no other row beats: at least as good in all three, better in one."""
    flags = [True] * len(rows)
    for (one, mine), (_, other) in itertools.permutations(enumerate(rows), 2):
        better = other[0] >= mine[0] and other[1] <= mine[1] and other[2] <= mine[2]
        if better and other != mine:
            flags[one] = False
    return flags
