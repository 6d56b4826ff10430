"""Match measured rows with the system of a reported figure, by the plans that suites list for the figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.names import split_method
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import Figure
from benchmark_core.strict_yaml import parse_yaml
from benchmark_core.tables.rows import TableRow

PAPER = "paper"  # budget with the settings of a method's paper
# Plan fields that a suite row may set, next to method, settings and unlabelled set.
_FIELDS = ("dataset", "protocol", "degradation", "high_source", "enhancer", "backbone", "weights", "modality", "size")
_NUMBERS = ("sampling", "precision")


@dataclass(frozen=True)
class RequestedRow:
    """Part of a plan that a suite row gives for a figure.

    Attributes:
        method: method with its variants.
        fields: other plan fields.
        settings: settings of the components.
        unlabelled: name of the set of unlabelled clips, or "".
    """

    method: str
    fields: Mapping[str, str]
    settings: Mapping[str, str]
    unlabelled: str


def requested_rows(library: Library) -> Mapping[str, Sequence[RequestedRow]]:
    """Return the suite rows for each figure id. Invalid suites are skipped: `elrbench suite` reports their errors."""
    found: dict[str, list[RequestedRow]] = {}
    for file in library.suites.values():
        try:
            suite = parse_yaml(file.text, file.where)
            for row in suite.get("rows", []):
                if "figure" in row and row.get("run") != "none":
                    figures = [row["figure"]] if isinstance(row["figure"], str) else row["figure"]
                    requested = _requested_row(
                        {**suite.get("common", {}), **row}, suite.get("common", {}).get("set", {})
                    )
                    for figure in figures:
                        found.setdefault(figure, []).append(requested)
        except (ElrError, LookupError, TypeError, AttributeError):
            continue
    return found


def _requested_row(row: Mapping[str, Any], common: Mapping[str, Any]) -> RequestedRow:
    return RequestedRow(
        method=str(row["method"]),
        fields={key: str(row[key]) for key in (*_FIELDS, *_NUMBERS) if key in row},
        settings={key: str(value) for key, value in {**common, **row.get("set", {})}.items()},
        unlabelled=str(row.get("unlabelled", "")),
    )


def matches_figure(row: TableRow, figure: Figure, requested: RequestedRow) -> bool:
    """Whether `row` is the figure's system with the settings of its paper.

    The row must have budget `paper`, the suite row's method, fields and settings, and the figure's backbone and
    modality. It must not change other settings, and must not use other unlabelled or high-resolution sets, or a teacher
    with another network. Initial weights are not compared.
    """
    plan = row.first["plan"]
    figures = {"backbone": figure.backbone, "modality": figure.modality or "rgb"}
    expected = {**{key: value for key, value in figures.items() if value}, **requested.fields}
    own_high_views = plan["high_source"] in ("", "self")
    return (
        plan["budget"] == PAPER
        and split_method(plan["method"]) == split_method(requested.method)
        and all(_text(plan[key]) == value for key, value in expected.items())  # type: ignore[literal-required]
        and ("high_source" in requested.fields or own_high_views)
        and bool(plan.get("unlabelled")) == bool(requested.unlabelled)
        and not any(key.startswith("teacher") for key in plan)
        and not plan.get("holdout")
        and not plan.get("test_views")
        and all(key in requested.settings or key in requested.fields for key in row.first["changed"])
        and all(_equals(plan["settings"].get(key), value) for key, value in requested.settings.items())
    )


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _equals(value: object, text: str) -> bool:
    """Whether a setting equals `text`, read as `--set` reads it: `1/3` is 0.333…."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(Fraction(text)) == value
        except (ValueError, ZeroDivisionError):
            return False
    return str(value).lower() == text.lower()
