"""Rows of cells as a Markdown table, or as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from tabulate import tabulate

from benchmark_core.tables.cells import unformulated


def grid(rows: Sequence[Mapping[str, str]]) -> str:
    """A Markdown table. Cells as they are, none parsed as a number; the last column, often long, is not filled up."""
    *keys, last = rows[0]
    table = [[row[key] for key in keys] for row in rows]
    lines = tabulate(table, headers=keys, tablefmt="pipe", disable_numparse=True).splitlines()
    head, rule, *body = lines
    ends = (row[last] for row in rows)
    return "\n".join(
        [f"{head} {last} |", f"{rule}:--|", *(f"{line} {end} |" for line, end in zip(body, ends, strict=True))]
    )


def csv_text(rows: Iterable[Mapping[str, object]], *, whole: Sequence[str] = ()) -> str:
    """The same for machines: numbers to 6 significant digits, more than any clip count supports and the same on every
    machine; an empty cell where nothing is known. whole: columns of whole numbers.

    Text is on one line, and what a spreadsheet would take for a formula begins with `'`.
    """
    frame = pd.DataFrame(
        [{key: unformulated(cell) if isinstance(cell, str) else cell for key, cell in row.items()} for row in rows]
    )
    frame = frame.astype({key: "Int64" for key in whole})  # also where some are missing
    text: str = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text
