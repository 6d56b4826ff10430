"""Escape text for Markdown and CSV, and render rows of cells as a Markdown table or a CSV file."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import pandas as pd
from tabulate import tabulate

# Markdown markup, and text that GitHub turns into a link, an emoji or a formula without markup. An underscore between
# letters is plain text.
_MARKUP = re.compile(
    r"[\\`*~|\[\]$]|@(?=[\w.-]*\.\w)|(?<![^\W_])_|_(?![^\W_])|:(?=//|[\w+-]+:)|(?<=www)\.", re.IGNORECASE
)
_FORMULA = ("=", "+", "-", "@")


def one_line(text: str) -> str:
    """Replace line breaks, control characters and bidirectional controls with spaces."""
    return "".join(char if char.isprintable() else " " for char in text)


def escape_markdown(text: str) -> str:
    """Return Markdown that displays `text` literally: HTML, pipes and markup become character references."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", html.escape(one_line(text), quote=False))


def escape_formula(text: str) -> str:
    """Return `text` on one line, prefixed with `'` if a spreadsheet would read it as a formula."""
    line = one_line(text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA) else line


def escape_row(cells: Mapping[str, str]) -> dict[str, str]:
    """Escape the headings and cells of one row for Markdown."""
    return {escape_markdown(key): escape_markdown(cell) for key, cell in cells.items()}


def link(text: str, url: str) -> str:
    """Return a Markdown link to `url`, or the escaped `text` alone if `url` is not an http(s) address."""
    if not re.match(r"https?://", url):
        return escape_markdown(text)
    return f"[{escape_markdown(text)}]({quote(url, safe=':/?&=#%~+,;')})"


def markdown_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return a Markdown table of escaped cells. The last column is not padded, because it is often long."""
    *keys, last = rows[0]
    table = [[row[key] for key in keys] for row in rows]
    lines = tabulate(table, headers=keys, tablefmt="pipe", disable_numparse=True).splitlines()
    head, rule, *body = lines
    ends = (row[last] for row in rows)
    return "\n".join(
        [f"{head} {last} |", f"{rule}:--|", *(f"{line} {end} |" for line, end in zip(body, ends, strict=True))]
    )


def csv_text(rows: Iterable[Mapping[str, object]], *, whole: Sequence[str] = ()) -> str:
    """Return rows as CSV. Unknown values are empty cells.

    Numbers have 6 significant digits: more than any clip count supports, and equal on every machine.

    Args:
        rows: one mapping from column to value per line.
        whole: columns of integers, which may have empty cells.
    """
    frame = pd.DataFrame(
        [{key: escape_formula(cell) if isinstance(cell, str) else cell for key, cell in row.items()} for row in rows]
    )
    frame = frame.astype({key: "Int64" for key in whole})  # nullable integers
    text: str = frame.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    return text
