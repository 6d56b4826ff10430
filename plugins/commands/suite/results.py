"""What a suite's rows came to: the printed figure and the measured one side by side, each with what it is of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from benchmark_core.papers.reported import Figure
from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.rows import group_rows
from elrbench_plugins.commands.suite.campaign import RunOutcome
from elrbench_plugins.commands.suite.rows import PlannedRow


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A score over complete seeds, as fractions. clips: scored in one seed. std: over seeds, None of one."""

    value: float
    std: float | None
    clips: int
    seeds: int


@dataclass(frozen=True, kw_only=True)
class ScoreLine:
    """One score of one row. printed: None where there is none; ours: None where not every fold of any seed is run.

    runs, of: finished runs of the row and how many it has. state: why `ours` is missing, or nothing.
    """

    row: PlannedRow
    metric: str
    printed: Figure | None
    ours: Measured | None
    runs: int
    of: int
    state: str


def lines_of(rows: Iterable[PlannedRow], outcome: RunOutcome) -> list[ScoreLine]:
    """A line for each score that is printed of a row; of the primary one where none is."""
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
            state=state or _unscored(records, metric) or _apart(records),
        )
        for metric, figure in printed or [(primary, None)]
    ]


def _unscored(records: list[RunRecord], metric: str) -> str:
    """What to say of finished runs that have no such score: of clips with several labels there is no top1."""
    without = [record for record in records if metric not in record["scores"]]
    return f"{metric} is no score of {without[0]['plan']['dataset']}" if without else ""


def _apart(records: list[RunRecord]) -> str:
    """What to say of finished runs that are not of one row: their data was not the same."""
    return "its runs were made of other data than one another" if len(group_rows(records)) > 1 else ""


def _measured(records: list[RunRecord], metric: str) -> Measured | None:
    """Of records that differ in seed and fold alone; None where no seed is complete, or clips differ between runs."""
    folded = group_rows(records)
    if len(folded) != 1 or not folded[0].seeds or any(metric not in record["scores"] for record in folded[0].scored):
        return None
    (row,) = folded
    interval = row.interval(metric)
    clips = sum(record["scores"][metric]["n"] for record in row.runs[row.seeds[0]].values())
    return Measured(value=interval.mean, std=interval.std, clips=clips, seeds=len(row.seeds))


def datasets_of(figures: Iterable[Figure | None]) -> tuple[str, ...]:
    """Datasets that printed figures are of, each once."""
    return tuple(dict.fromkeys(figure.dataset for figure in figures if figure is not None))


def differences(rows: Iterable[PlannedRow]) -> Mapping[str, tuple[str, str]]:
    """Names and numbers in which rows' plans are not what the suite asks for; several values are all named."""
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in rows:
        for key, (theirs, ours) in row.differs.items():
            one, other = found.setdefault(key, ({}, {}))
            one[theirs], other[ours] = None, None
    return {key: (", ".join(one), ", ".join(other)) for key, (one, other) in found.items()}
