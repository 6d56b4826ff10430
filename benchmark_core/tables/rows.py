"""Records folded into rows: one row for runs whose plans differ in seed and fold alone."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark_core.records.clip_results import clips_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.statistics import mean_std, wilson

# Settings that say how long a method trains: what is held against a control has all of the control's, of equal value.
_LENGTH = re.compile(r"method\.(batch|(\w+_)?epochs)")
_SCHEDULE = re.compile(r"method\.(warmup|step)_epochs")  # of the rate within a phase: alike where both have it


@dataclass(frozen=True)
class Interval:
    """Mean over seeds, sample standard deviation over seeds (None of one), and a 95 % interval over clips."""

    mean: float
    std: float | None
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class TableRow:
    """`runs[seed][fold]`; seeds in order, folds in the protocol's order."""

    key: str
    runs: Mapping[int, Mapping[str, RunRecord]]

    @cached_property
    def first(self) -> RunRecord:
        """Any of them: what the row's runs have in common is read from it."""
        return next(iter(next(iter(self.runs.values())).values()))

    @cached_property
    def partners(self) -> str:
        """All of the plan that is neither the method nor its own, and the data: what a control has in common."""
        plan: dict[str, Any] = {**self.first["plan"]}
        settings = {key: value for key, value in plan["settings"].items() if not key.startswith("method.")}
        own = ("method", "high_source", "unlabelled", "teacher", "settings", "seed", "fold")
        rest = {key: value for key, value in plan.items() if key not in own}
        return json.dumps([rest, settings, self.first["dataset"], clips_of(self.first)], sort_keys=True)

    @property
    def records(self) -> list[RunRecord]:
        """All of them, by seed and fold."""
        return [record for folds in self.runs.values() for record in folds.values()]

    @property
    def folds(self) -> int:
        """How many folds the protocol has."""
        return len(self.first["track"]["folds"])

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that ran every fold. Only these are scored: a mean never covers fewer folds than it says."""
        return tuple(seed for seed, folds in self.runs.items() if len(folds) == self.folds)

    @property
    def scored(self) -> list[RunRecord]:
        """The records of complete seeds."""
        return [record for seed in self.seeds for record in self.runs[seed].values()]

    @property
    def most_folds(self) -> int:
        """Folds of the seed that ran the most."""
        return max(len(folds) for folds in self.runs.values())

    def mean(self, name: str) -> float | None:
        """Mean over complete seeds of a score; None where one of them lacks it or there are none."""
        if not self.seeds or any(name not in record["scores"] for record in self.scored):
            return None
        return mean_std([self._folded(seed, name)[0] for seed in self.seeds])[0]

    def interval(self, name: str) -> Interval:
        """Of a row with complete seeds.

        Shares of clips: Wilson, over the clips of all folds; seeds add none. Otherwise the records' own intervals,
        independent folds combined in quadrature, then their mean over seeds.
        """
        values, lows, highs = zip(*(self._folded(seed, name) for seed in self.seeds), strict=True)
        mean, std = mean_std(values)
        if self.first["scores"][name]["interval"] == "wilson95":
            clips = sum(record["scores"][name]["n"] for record in self.runs[self.seeds[0]].values())
            return Interval(mean, std, *wilson(mean, clips))
        return Interval(mean, std, mean_std(lows)[0], mean_std(highs)[0])

    def _folded(self, seed: int, name: str) -> tuple[float, float, float]:
        """Value, low and high of one seed over its folds."""
        records = list(self.runs[seed].values())
        scores = [record["scores"][name] for record in records]
        pooled = self.first["track"].get("pooled", False)
        shares = [score["n"] if pooled else 1 for score in scores]
        weights = [share / sum(shares) for share in shares]
        value = math.fsum(weight * score["value"] for weight, score in zip(weights, scores, strict=True))
        below = math.hypot(*(w * (score["value"] - score["low"]) for w, score in zip(weights, scores, strict=True)))
        above = math.hypot(*(w * (score["high"] - score["value"]) for w, score in zip(weights, scores, strict=True)))
        return value, max(0.0, value - below), min(1.0, value + above)


def fold_rows(records: Iterable[RunRecord]) -> list[TableRow]:
    """Rows of one track, in the order of their keys."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(_row_key(record), []).append(record)
    for key, group in [item for item in groups.items() if _taught_twice(item[1])]:
        del groups[key]
        for record in group:
            groups.setdefault(f"{key} {record['plan'].get('teacher')}", []).append(record)
    return [TableRow(key, _runs(groups[key])) for key in sorted(groups)]


def _row_key(record: RunRecord) -> str:
    """All of a run but seed and fold. Given teachers of one recipe are alike: each seed and fold may have its own."""
    plan: dict[str, Any] = {key: value for key, value in record["plan"].items() if key not in ("seed", "fold")}
    if "teacher" in record:
        plan["teacher"] = record["teacher"]["recipe"]
    beside = [record[kind]["manifest"] for kind in ("unlabelled", "high_source") if kind in record]
    return json.dumps([plan, record["dataset"], clips_of(record), *beside], sort_keys=True)


def _taught_twice(records: Sequence[RunRecord]) -> bool:
    """Whether one seed and fold was run with several given teachers: then each teacher has its row."""
    runs = {(record["plan"]["seed"], record["plan"]["fold"]) for record in records}
    return "teacher" in records[0] and len(runs) < len(records)


def _runs(records: Sequence[RunRecord]) -> dict[int, dict[str, RunRecord]]:
    order = records[0]["track"]["folds"].index
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in sorted(records, key=lambda record: (record["plan"]["seed"], order(record["plan"]["fold"]))):
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    return runs


def matched_control(row: TableRow, rows: Iterable[TableRow]) -> TableRow | None:
    """The control that shares the row's budget, partners and length of training; None where there is none.

    Of several, the one with the most of the method's own numbers in common, then the first by key.
    """
    if row.first["control"] or row.first["privileged"]:
        return None
    rivals = {
        other: _agreements(row, other) for other in rows if other.first["control"] and other.partners == row.partners
    }
    matched = [other for other, same in rivals.items() if _as_long(row, other, same)]
    return max(matched, key=lambda other: sum(rivals[other].values()), default=None)


def _as_long(row: TableRow, control: TableRow, same: Mapping[str, bool]) -> bool:
    """Whether `row` has every phase that `control` has, of equal length. same: `_agreements` of the two."""
    ours, theirs = row.first["plan"]["settings"], control.first["plan"]["settings"]
    phases = {key for key in theirs if _LENGTH.fullmatch(key) and not _SCHEDULE.fullmatch(key)}
    return phases <= ours.keys() and all(same[key] for key in same if _LENGTH.fullmatch(key))


def _agreements(row: TableRow, other: TableRow) -> dict[str, bool]:
    """For each setting that both have, whether it is the same."""
    ours, theirs = row.first["plan"]["settings"], other.first["plan"]["settings"]
    return {key: ours[key] == theirs[key] for key in ours if key in theirs}
