"""Group records into table rows: runs whose plans differ only in seed and fold are one row."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from benchmark_core.records.clip_results import clip_list
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import all_scores
from benchmark_core.scoring.statistics import mean_std, wilson


@dataclass(frozen=True)
class Interval:
    """Mean and sample standard deviation over seeds (None for one seed), and a 95 % interval over clips."""

    mean: float
    std: float | None
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class TableRow:
    """One row. `runs[seed][fold]` are its records; seeds are sorted, folds are in the protocol's order."""

    key: str
    runs: Mapping[int, Mapping[str, RunRecord]]

    @cached_property
    def first(self) -> RunRecord:
        """A record, for the fields that all records of the row share."""
        return next(iter(next(iter(self.runs.values())).values()))

    @cached_property
    def shared_plan(self) -> str:
        """The plan without the method, its settings and its teacher, and the data: equal for a row and its control."""
        plan: dict[str, Any] = {**self.first["plan"]}
        settings = {key: value for key, value in plan["settings"].items() if not key.startswith("method.")}
        own = ("method", "high_source", "unlabelled", "settings", "seed", "fold")
        rest = {key: value for key, value in plan.items() if key not in own and not key.startswith("teacher")}
        return json.dumps([rest, settings, self.first["dataset"], clip_list(self.first)], sort_keys=True)

    @property
    def records(self) -> list[RunRecord]:
        """All records, ordered by seed and fold."""
        return [record for folds in self.runs.values() for record in folds.values()]

    @property
    def folds(self) -> int:
        """Number of folds of the protocol."""
        return len(self.first["track"]["folds"])

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """Seeds with all folds. Only these are scored, so that every mean covers all folds."""
        return tuple(seed for seed, folds in self.runs.items() if len(folds) == self.folds)

    @property
    def scored(self) -> list[RunRecord]:
        """Records of complete seeds."""
        return [record for seed in self.seeds for record in self.runs[seed].values()]

    @property
    def most_folds(self) -> int:
        """Number of folds of the seed with the most folds."""
        return max(len(folds) for folds in self.runs.values())

    def mean(self, name: str) -> float | None:
        """Return the mean of a score over complete seeds; None if there are none, or if a record lacks the score."""
        if not self.seeds or any(name not in all_scores(record) for record in self.scored):
            return None
        return mean_std([self._folded(seed, name)[0] for seed in self.seeds])[0]

    def interval(self, name: str) -> Interval:
        """Return mean, spread and 95 % interval of a score. The row must have a complete seed.

        Shares of clips: Wilson's interval over the clips of all folds (more seeds do not add clips). Other scores: the
        records' own intervals; folds are independent and combine in quadrature, then the mean over seeds is taken.
        """
        values, lows, highs = zip(*(self._folded(seed, name) for seed in self.seeds), strict=True)
        mean, std = mean_std(values)
        if all_scores(self.first)[name]["interval"] == "wilson95":
            clips = sum(record["scores"][name]["n"] for record in self.runs[self.seeds[0]].values())
            return Interval(mean, std, *wilson(mean, clips))
        return Interval(mean, std, mean_std(lows)[0], mean_std(highs)[0])

    def _folded(self, seed: int, name: str) -> tuple[float, float, float]:
        """Return value, low and high of one seed over its folds."""
        records = list(self.runs[seed].values())
        scores = [all_scores(record)[name] for record in records]
        pooled = self.first["track"].get("pooled", False)
        shares = [score["n"] if pooled else 1 for score in scores]
        weights = [share / sum(shares) for share in shares]
        value = math.fsum(weight * score["value"] for weight, score in zip(weights, scores, strict=True))
        if len(scores) == 1:  # its own interval, which may leave out the value: a resampled F1 can be lower throughout
            return value, scores[0]["low"], scores[0]["high"]
        below = math.hypot(*(w * max(0.0, s["value"] - s["low"]) for w, s in zip(weights, scores, strict=True)))
        above = math.hypot(*(w * max(0.0, s["high"] - s["value"]) for w, s in zip(weights, scores, strict=True)))
        return value, max(0.0, value - below), min(1.0, value + above)


def group_rows(records: Iterable[RunRecord]) -> list[TableRow]:
    """Return the rows of one track, sorted by key."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(_row_key(record), []).append(record)
    for key, group in [item for item in groups.items() if _has_several_teachers(item[1])]:
        del groups[key]
        for record in group:
            groups.setdefault(f"{key} {record['plan'].get('teacher')}", []).append(record)
    return [TableRow(key, _runs(groups[key])) for key in sorted(groups)]


def _row_key(record: RunRecord) -> str:
    """Return the plan without seed and fold, and the data.

    External teachers with the same plan count as equal, because each seed and fold may have its own teacher.
    """
    plan: dict[str, Any] = {key: value for key, value in record["plan"].items() if key not in ("seed", "fold")}
    if "teacher" in record:
        plan["teacher"] = record["teacher"]["recipe"]
    extra = [record[kind]["manifest"] for kind in ("unlabelled", "high_source") if kind in record]
    return json.dumps([plan, record["dataset"], clip_list(record), *extra], sort_keys=True)


def _has_several_teachers(records: Sequence[RunRecord]) -> bool:
    """Whether a seed and fold was run with several external teachers. Then each teacher has its own row."""
    runs = {(record["plan"]["seed"], record["plan"]["fold"]) for record in records}
    return "teacher" in records[0] and len(runs) < len(records)


def _runs(records: Sequence[RunRecord]) -> dict[int, dict[str, RunRecord]]:
    order = records[0]["track"]["folds"].index
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in sorted(records, key=lambda record: (record["plan"]["seed"], order(record["plan"]["fold"]))):
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    return runs
