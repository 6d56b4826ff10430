"""Texts and JSON of `elrbench suite show`: every row with its printed figure, its plan and its cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark_core.cli.console import columns
from benchmark_core.papers.collection import Library
from elrbench_plugins.commands.suite.cells import (
    NOTHING,
    Footnotes,
    PlanLabels,
    datasets_heading,
    differences_text,
    figure_json,
    figures_of,
    heading,
    printed_cell,
    row_notes,
)
from elrbench_plugins.commands.suite.counts import Estimate
from elrbench_plugins.commands.suite.results import datasets_of
from elrbench_plugins.commands.suite.rows import PlannedRow, PlannedSuite

COUNTED = (
    "Parameters and MACs: of the deployed network, for one clip with all its intervals. Training: MACs of one seed\n"
    "and fold, all stages, forward and backward. Only convolutions and matrix products are counted."
)


def show_json(planned: PlannedSuite, library: Library, estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return the rows in order."""
    together, apart = training_totals(estimates)
    return {
        "suite": planned.suite.name,
        "title": planned.suite.title,
        "about": list(planned.suite.about),
        "papers": {figure.paper: library.papers[figure.paper].citation for figure in figures_of(planned)},
        "remarks": list(planned.remarks),
        "rows": [_row_json(row, estimates.get(row.row.name)) for row in planned.rows],
        "training_macs": {"together": together, "apart": apart} if estimates else None,
    }


def _row_json(row: PlannedRow, cost: Estimate | None) -> dict[str, Any]:
    return {
        "row": row.row.name,
        "printed": [figure_json(figure) for figure in row.printed],
        "plan": row.plans[0].to_json() if row.plans else None,
        "runs": [{"digest": plan.digest, "seed": plan.seed, "fold": plan.fold} for plan in row.plans],
        "differs": {key: list(pair) for key, pair in row.differs.items()},
        "left_out": row.left_out or None,
        "failed": row.failed or None,
        "note": row.row.note,
        "cost": cost
        and {
            "params": cost.params,
            "clip_macs": cost.clip_macs,
            "training_macs": cost.training_macs,
            "stages": dict(cost.stages),
            "pool_left_out": cost.pool,
            "unknown": cost.unknown or None,
        },
    }


def show_text(planned: PlannedSuite, library: Library, estimates: Mapping[str, Estimate]) -> str:
    """Return one line per printed figure, and numbered notes below."""
    notes, labels = Footnotes(), PlanLabels(planned)
    several = len(datasets_of(figures_of(planned))) > 1
    costs = ["params", "MACs", "training"] if estimates else []
    table: list[Sequence[str]] = [["row", f"paper{datasets_heading(datasets_of(figures_of(planned)))}", *costs, "plan"]]
    for row in planned.rows:
        for number, figure in enumerate(row.printed or (None,)):
            first = number == 0
            cells = [row.row.name if first else "", printed_cell(figure, notes, several)]
            if estimates:
                cells += _cost_cells(estimates.get(row.row.name)) if first else ["", "", ""]
            table.append([*cells, _plan_cell(row, labels) + notes.mark(row_notes(row)) if first else ""])
    blocks = [heading(planned), columns(table), labels.shared_text(), notes.text(), _sources(planned, library)]
    blocks += [differences_text(planned), "\n".join(planned.remarks)]
    if estimates:
        blocks.append(_counted(estimates))
    return "\n\n".join(block for block in blocks if block)


def training_totals(estimates: Mapping[str, Estimate]) -> tuple[float | None, float | None]:
    """Return the MACs of training all rows, with shared stages counted once and with none shared.

    Both are None if a row's count is unknown.
    """
    each = [cost.training_macs for cost in estimates.values()]
    if not each or any(macs is None for macs in each):
        return None, None
    stages: dict[str, float] = {}
    for cost in estimates.values():
        stages |= cost.stages
    return sum(stages.values()), sum(macs for macs in each if macs is not None)


def _counted(estimates: Mapping[str, Estimate]) -> str:
    lines = [COUNTED]
    together, apart = training_totals(estimates)
    if together is not None and apart:
        lines.append(
            f"Training all rows takes {_big(together)} MACs with shared stages, "
            f"{together / apart:.2f} of the {_big(apart)} without sharing."
        )
    if any(cost.pool for cost in estimates.values()):
        lines.append("+: without the passes over the unlabelled clips, because their number is not known.")
    lines += dict.fromkeys(f"{NOTHING} {cost.unknown}." for cost in estimates.values() if cost.unknown)
    return "\n".join(lines)


def _cost_cells(cost: Estimate | None) -> list[str]:
    if cost is None:
        return [NOTHING] * 3
    training = NOTHING if cost.training_macs is None else _big(cost.training_macs) + (" +" if cost.pool else "")
    return [f"{cost.params / 1e6:.2f} M", _big(cost.clip_macs), training]


def _big(count: float) -> str:
    """Return `51.9 G` or `244 P`."""
    for factor, letter in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M")):
        if count >= factor:
            return f"{count / factor:.3g} {letter}"
    return f"{count:.3g}"


def _plan_cell(row: PlannedRow, labels: PlanLabels) -> str:
    if not row.plans:
        return row.failed or row.left_out
    cell = labels.of(row.plans[0], row.settings) + (f", {len(row.plans)} runs" if len(row.plans) > 1 else "")
    return f"{cell}; {row.left_out}" if row.left_out else cell


def _sources(planned: PlannedSuite, library: Library) -> str:
    papers = dict.fromkeys(figure.paper for figure in figures_of(planned))
    return "\n".join(f"{paper}: {library.papers[paper].citation}" for paper in papers)
