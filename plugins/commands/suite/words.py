"""Cells of a suite's tables: a printed figure with its footnotes, and a plan in short."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark_core.papers.reported import Figure
from benchmark_core.plans.plan import Plan
from elrbench_plugins.commands.suite.rows import PlannedSuite

NOTHING = "-"


class Footnotes:
    """Texts by number: the same text has one number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, texts: Sequence[str]) -> str:
        """` [1] [3]`"""
        return "".join(f" [{self._numbers.setdefault(text, len(self._numbers) + 1)}]" for text in texts)

    def text(self) -> str:
        """A line each."""
        return "\n".join(f"[{number}] {text}" for text, number in self._numbers.items())


def printed_cell(figure: Figure | None, notes: Footnotes, several: bool) -> str:
    """With two decimals, and noted whose it is where not the paper's own. several: tables of more than one dataset."""
    if figure is None:
        return NOTHING
    texts = [*figure.notes, *([f"{figure.origin}; as printed in {figure.paper}"] if figure.origin else [])]
    metric = "" if figure.metric == "top1" else f" {figure.metric}"
    return f"{figure.value:.2f}{metric}{f' {figure.dataset}' if several else ''}{notes.mark(texts)}"


class PlanWords:
    """Plans in short: what all of a suite's rows share is said once."""

    def __init__(self, planned: PlannedSuite) -> None:
        each = [self._words(row.plans[0]) for row in planned.rows if row.plans]
        self._shared = [one for one in each[0] if all(one in other for other in each)] if len(each) > 1 else []

    def of(self, plan: Plan, settings: Sequence[str] = ()) -> str:
        """`cstat:sat, resnet34 8x1`, with the row's own settings."""
        return ", ".join([plan.method, *(word for word in self._words(plan) if word not in self._shared), *settings])

    def shared_text(self) -> str:
        """A line, where there is something."""
        return f"All rows: {', '.join(self._shared)}." if self._shared else ""

    @staticmethod
    def _words(plan: Plan) -> list[str]:
        modality = "" if plan.modality == "rgb" else f" {plan.modality}"
        return [
            f"{plan.dataset} {plan.protocol_name}",
            plan.degradation,
            f"{plan.backbone}{modality} {plan.sampling}",
            "x".join(map(str, plan.size)),
            f"budget {plan.budget}",
        ]
