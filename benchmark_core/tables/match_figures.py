"""Which measured rows are the system of a printed figure: what suites say of it, held against the row's plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import Figure
from benchmark_core.strict_yaml import parse_yaml
from benchmark_core.tables.rows import TableRow

PAPER = "paper"  # what methods call the numbers that their paper prints
# Fields of a plan that a suite's row may name, the method, settings and pool apart.
_FIELDS = ("dataset", "protocol", "degradation", "high_source", "enhancer", "backbone", "weights", "modality", "size")
_NUMBERS = ("sampling", "precision")


@dataclass(frozen=True)
class RequestedRow:
    """A suite's row that says how a figure is measured: its method, other fields of its plan, and settings."""

    method: str
    fields: Mapping[str, str]
    settings: Mapping[str, str]
    pool: str  # of clips without labels


def asked_by_suites(library: Library) -> Mapping[str, Sequence[RequestedRow]]:
    """By the figure's id. What is wrong with a suite is for 'elrbench suite' to say; here it names no figure then."""
    found: dict[str, list[RequestedRow]] = {}
    for file in library.suites.values():
        try:
            suite = parse_yaml(file.text, file.where)
            for row in suite.get("rows", []):
                if "figure" in row and row.get("run") != "none":
                    figures = [row["figure"]] if isinstance(row["figure"], str) else row["figure"]
                    asked = _asked({**suite.get("common", {}), **row}, suite.get("common", {}).get("set", {}))
                    for figure in figures:
                        found.setdefault(figure, []).append(asked)
        except (ElrError, LookupError, TypeError, AttributeError):
            continue
    return found


def _asked(row: Mapping[str, Any], common: Mapping[str, Any]) -> RequestedRow:
    return RequestedRow(
        method=str(row["method"]),
        fields={key: str(row[key]) for key in (*_FIELDS, *_NUMBERS) if key in row},
        settings={key: str(value) for key, value in {**common, **row.get("set", {})}.items()},
        pool=str(row.get("unlabelled", "")),
    )


def is_of(row: TableRow, figure: Figure, asked: RequestedRow) -> bool:
    """Whether `row` is the figure's system with the numbers of its paper.

    That is: the suite's method and whatever else it names, the figure's own backbone and modality, budget `paper`, no
    other number than the suite's own off that budget, nor another enhancer than the method's, and high views of no set
    that the suite does not name. With which weights a network begins is not compared.
    """
    plan = row.first["plan"]
    figures = {"backbone": figure.backbone, "modality": figure.modality or "rgb"}
    due = {**{key: value for key, value in figures.items() if value}, **asked.fields}
    own_high = plan["high_source"] in ("", "self")
    return (
        plan["budget"] == PAPER
        and _parts(plan["method"]) == _parts(asked.method)
        and all(_text(plan[key]) == value for key, value in due.items())  # type: ignore[literal-required]
        and ("high_source" in asked.fields or own_high)
        and bool(plan.get("unlabelled")) == bool(asked.pool)
        and not plan.get("teacher")
        and not plan.get("holdout")
        and all(key in asked.settings or key in asked.fields for key in row.first["changed"])
        and all(_same(plan["settings"].get(key), value) for key, value in asked.settings.items())
    )


def _parts(method: str) -> tuple[str, frozenset[str]]:
    """Variants may stand in any order."""
    try:
        name = ComponentName.parse(method)
    except ElrError:
        return method, frozenset()
    return name.base, frozenset(name.variants)


def _text(value: object) -> str:
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)


def _same(value: object, text: str) -> bool:
    """`1/3` is 0.333…, as `--set` reads it."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(Fraction(text)) == value
        except (ValueError, ZeroDivisionError):
            return False
    return str(value).lower() == text.lower()
