"""Rows of a suite at several sizes of the low view: `--sizes 6x8,12x16`."""

from __future__ import annotations

import re
from dataclasses import replace

from benchmark_core.errors import ElrError
from elrbench_plugins.commands.suite.suite import Suite, SuiteRow

DEGRADATION = "average-HxW"  # of rows that name none
_SIZE = re.compile(r"(?<![\dx])([1-9]\d*)x([1-9]\d*)(?![\dx])")
_SIZE_OR_TEMPLATE = re.compile(rf"{_SIZE.pattern}|HxW")


def read_sizes(text: str) -> tuple[str, ...]:
    """Return the sizes of `6x8,12x16`, each once, by area. Raises ElrError for anything else."""
    words = [word.strip() for word in text.split(",")]
    if not all(_SIZE.fullmatch(word) for word in words):
        raise ElrError(f"--sizes {text} is not a list of heights and widths in pixels, e.g. --sizes 6x8,12x16,24x32")
    return tuple(sorted(dict.fromkeys(words), key=lambda word: (area(word), word)))


def area(size: str) -> int:
    """Return the pixels of `12x16`."""
    height, width = size.split("x")
    return int(height) * int(width)


def at_sizes(suite: Suite, sizes: tuple[str, ...], degradation: str | None) -> Suite:
    """Return the suite with each row that has a plan at each size; its name ends in `@12x16`.

    degradation: overrides that of the rows. Printed figures stay at the size that they were printed for. Raises
    ElrError if a row's degradation has no size.
    """
    rows = [one for row in suite.rows for one in (_at_sizes(row, sizes, degradation) if row.run else (row,))]
    return replace(suite, rows=tuple(rows))


def _at_sizes(row: SuiteRow, sizes: tuple[str, ...], degradation: str | None) -> list[SuiteRow]:
    own = str(row.fields.get("degradation", DEGRADATION))
    try:
        others = degradations_at(degradation or own, sizes)
    except ElrError as error:
        raise ElrError(f"row {row.name}: {error}") from error
    found = []
    for size, other in zip(sizes, others, strict=True):
        figures = row.figures if other == own else ()
        fields = {**row.fields, "degradation": other}
        found.append(replace(row, name=f"{row.name}@{size}", fields=fields, figures=figures))
    return found


def degradations_at(name: str, sizes: tuple[str, ...]) -> list[str]:
    """Return the name of a degradation at each size. Raises ElrError if the name has no size."""
    if not _SIZE_OR_TEMPLATE.search(name):
        raise ElrError(
            f"degradation '{name}' has no size, so that --sizes cannot change it; pass --degradation {DEGRADATION}, or "
            "remove --sizes"
        )
    return [_SIZE_OR_TEMPLATE.sub(size, name, count=1) for size in sizes]
