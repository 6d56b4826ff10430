"""What `suite show` and `suite run` both print: heading, footnotes, printed figures, plan labels, differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmark_core.cli.console import columns
from benchmark_core.papers.reported import Figure
from benchmark_core.plans.plan import Plan
from benchmark_core.tables.cells import teacher_network
from elrbench_plugins.commands.suite.results import differences
from elrbench_plugins.commands.suite.rows import PlannedRow, PlannedSuite

NOTHING = "-"


class Footnotes:
    """Numbered notes; equal texts have the same number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, texts: Sequence[str]) -> str:
        """Return ` [1] [3]`, numbering new texts."""
        return "".join(f" [{self._numbers.setdefault(text, len(self._numbers) + 1)}]" for text in texts)

    def text(self) -> str:
        """Return the notes, one per line."""
        return "\n".join(f"[{number}] {text}" for text, number in self._numbers.items())


def printed_cell(figure: Figure | None, notes: Footnotes, several: bool) -> str:
    """Return the value with two decimals and its notes. several: name the dataset, because the table has several."""
    if figure is None:
        return NOTHING
    texts = [*figure.notes, *([f"{figure.origin}; as printed in {figure.paper}"] if figure.origin else [])]
    metric = "" if figure.metric == "top1" else f" {figure.metric}"
    return f"{figure.value:.2f}{metric}{f' {figure.dataset}' if several else ''}{notes.mark(texts)}"


class PlanLabels:
    """Short labels of plans, without the fields that all rows of a suite share."""

    def __init__(self, planned: PlannedSuite) -> None:
        each = [self._fields(row.plans[0]) for row in planned.rows if row.plans]
        self._shared = [one for one in each[0] if all(one in other for other in each)] if len(each) > 1 else []

    def of(self, plan: Plan, settings: Sequence[str] = ()) -> str:
        """Return `cstat:sat, resnet34 8x1`, with the settings of the row."""
        return ", ".join(
            [plan.method, *(field for field in self._fields(plan) if field not in self._shared), *settings]
        )

    def shared_text(self) -> str:
        """Return a line with the shared fields, or nothing."""
        return f"All rows: {', '.join(self._shared)}." if self._shared else ""

    @staticmethod
    def _fields(plan: Plan) -> list[str]:
        modality = "" if plan.modality == "rgb" else f" {plan.modality}"
        return [
            f"{plan.dataset} {plan.protocol_name}",
            plan.degradation,
            f"{plan.backbone}{modality} {plan.sampling}",
            "x".join(map(str, plan.size)),
            f"budget {plan.budget}",
            *([f"teacher {text}"] if (text := teacher_network(plan.to_json())) else []),
        ]


def figure_json(figure: Figure) -> dict[str, Any]:
    """Return a printed figure as plain names and numbers."""
    names = ("id", "paper", "table", "row", "column", "system", "dataset", "protocol", "degradation", "metric", "value")
    return {
        **{name: getattr(figure, name) for name in names},
        "origin": figure.origin or None,
        "notes": list(figure.notes),
    }


def datasets_heading(datasets: Sequence[str]) -> str:
    """Return the part of a column's heading that names its datasets."""
    return f": {', '.join(datasets)}" if datasets else ""


def figures_of(planned: PlannedSuite) -> list[Figure]:
    """Return the printed figures of all rows."""
    return [figure for row in planned.rows for figure in row.printed]


def heading(planned: PlannedSuite) -> str:
    """Return the suite's name, title and notes."""
    suite = planned.suite
    return "\n".join([f"{suite.name}: {suite.title}" if suite.title else suite.name, *(f"  {x}" for x in suite.about)])


def row_notes(row: PlannedRow) -> tuple[str, ...]:
    """Return the note of a row, if it has one."""
    return (row.row.note,) if row.row.note else ()


def differences_text(planned: PlannedSuite) -> str:
    """Return the fields in which the runs differ from the paper or the suite, one per line; options share a line."""
    found = differences(planned.rows)
    if not found:
        return ""
    source = "paper" if figures_of(planned) else "suite"
    rows = [(key, ours, f"{source}: {theirs}") for key, (theirs, ours) in found.items() if "." not in key]
    options = [key for key in found if "." in key]
    lines = [
        f"These runs differ from the {source}. Compare them with each other, not with printed figures.",
        columns(rows, "  "),
    ]
    lines += [f"  {len(options)} option{'s' * (len(options) != 1)}: {', '.join(options)}"] * bool(options)
    return "\n".join(line for line in lines if line)
