"""Scores of a suite's rows: printed figures next to measured ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmark_core.papers.reported import Figure
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import all_scores
from benchmark_core.tables.rows import group_rows
from elrbench_plugins.commands.suite.rows import PlannedRow
from elrbench_plugins.commands.suite.suite_runs import RunOutcome


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A score over complete seeds, as a fraction. clips: scored in one seed. std: over seeds; None for one seed."""

    value: float
    std: float | None
    clips: int
    seeds: int


@dataclass(frozen=True, kw_only=True)
class ScoreLine:
    """One score of one row.

    printed: the paper's figure, or None. ours: the measured score; None until all folds of one seed are run.
    runs, of: finished runs and all runs of the row. state: why `ours` is missing, else empty.
    """

    row: PlannedRow
    metric: str
    printed: Figure | None
    ours: Measured | None
    runs: int
    of: int
    state: str


def lines_of(rows: Iterable[PlannedRow], outcome: RunOutcome) -> list[ScoreLine]:
    """Return a line per printed score of each row, or for the primary score if none is printed."""
    return [line for row in rows for line in _lines(row, outcome)]


def _lines(row: PlannedRow, outcome: RunOutcome) -> list[ScoreLine]:
    records = [outcome.records[plan.digest] for plan in row.plans if plan.digest in outcome.records]
    failures = [outcome.failures[plan.digest] for plan in row.plans if plan.digest in outcome.failures]
    primary = row.components.dataset.metric if row.components is not None else ""
    printed: list[tuple[str, Figure | None]] = [(figure.metric, figure) for figure in row.printed]
    if row.plans and primary not in {metric for metric, _ in printed}:
        printed.append((primary, None))
    state = row.failed or row.left_out
    if not state and len(records) < len(row.plans):
        state = failures[0] if failures else f"{len(records)} of {len(row.plans)} runs are done"
    return [
        ScoreLine(
            row=row,
            metric=metric,
            printed=figure,
            ours=_measured(records, metric),
            runs=len(records),
            of=len(row.plans),
            state=state or _unscored(records, metric) or _different_data(records) or _missing_folds(records),
        )
        for metric, figure in printed or [(primary, None)]
    ]


def _unscored(records: list[RunRecord], metric: str) -> str:
    """Return the state of finished runs without this score: clips with several labels have no top1."""
    without = [record for record in records if metric not in all_scores(record)]
    return f"{metric} is not a score of {without[0]['plan']['dataset']}" if without else ""


def _different_data(records: list[RunRecord]) -> str:
    """Return the state of finished runs whose data differ."""
    return "its runs used different data" if len(group_rows(records)) > 1 else ""


def _missing_folds(records: list[RunRecord]) -> str:
    """Return the state of finished runs of one fold, whose protocol has several: a score needs all."""
    short = [row for row in group_rows(records) if not row.seeds]
    return f"{short[0].most_folds} of {short[0].folds} folds of the protocol are done" if short else ""


def _measured(records: list[RunRecord], metric: str) -> Measured | None:
    """Return the score of records that differ in seed and fold only; None if no seed is complete or data differ."""
    folded = group_rows(records)
    if len(folded) != 1 or not folded[0].seeds or any(metric not in all_scores(record) for record in folded[0].scored):
        return None
    (row,) = folded
    interval = row.interval(metric)
    clips = sum(all_scores(record)[metric]["n"] for record in row.runs[row.seeds[0]].values())
    return Measured(value=interval.mean, std=interval.std, clips=clips, seeds=len(row.seeds))


def datasets_of(figures: Iterable[Figure | None]) -> tuple[str, ...]:
    """Return the datasets of printed figures, each once."""
    return tuple(dict.fromkeys(figure.dataset for figure in figures if figure is not None))


def differences(rows: Iterable[PlannedRow]) -> Mapping[str, tuple[str, str]]:
    """Return the fields in which plans differ from the suite: field -> (suite's values, values of the plans)."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        for key, (theirs, ours) in row.differs.items():
            one, other = found.setdefault(key, ({}, {}))
            one[theirs], other[ours] = None, None
    return {key: (", ".join(one), ", ".join(other)) for key, (one, other) in found.items()}
