"""Content blocks of a page as JSON. All texts are plain: the page displays them as characters, never as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from benchmark_core.tables.cells import NOTHING
from benchmark_core.tables.markup import one_line

Block: TypeAlias = dict[str, Any]

# Cells that start with a number: `41.25 ± 0.30`, `≥ 1.782`, `20.0 to 30.5`, `-0.78 (-5.06 to +3.50)`, `1.5 per window`,
# `41.25 ± 0.30 †`.
_NUMBER = re.compile(
    r"(?:≥ )?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: ± [\d.]+| to [+-]?[\d.]+)?(?: per window)?(?: \(.*\))?(?: †)?",
    re.DOTALL,
)
_INCOMPLETE = re.compile(r"\d+/\d+ folds")  # in a column of scores
_POOLED = ("plan", "facts")  # lists of pairs in the details of a row
_FACETS = {
    "backbone",
    "enhancer",
    "budget",
    "modality",
    "score",
    "task",
    "protocol",
    "low views (HxW)",
    "head",
    "classes",
}
# Text columns, also if every cell is empty.
_NAMES = {*_FACETS, "reported system", "leader", "from", "failure"}


def heading(text: str, level: int = 2, key: str = "") -> Block:
    """Return a heading. key: its anchor."""
    return {"kind": "heading", "level": level, "text": text, "key": key}


def text(*paragraphs: str) -> Block:
    """Return paragraphs."""
    return {"kind": "text", "paragraphs": list(paragraphs)}


def table(
    label: str,
    rows: Sequence[Mapping[str, str]],
    *,
    main: Sequence[str],
    links: Sequence[str] = (),
    opens: Sequence[Block] = (),
    titles: Sequence[str] = (),
    key: str = "",
) -> Block:
    """Return a table that the reader can sort and filter.

    Args:
        label: caption.
        rows: cells by column title. All rows have the columns of the first.
        main: columns shown on a narrow screen.
        links: target of the first main column, per row.
        opens: details of each row.
        titles: titles of the cells in the details.
        key: anchor.
    """
    own = list(rows[0])
    pool: dict[str, int] = {}
    columns = [_column(title, [row[title] for row in rows], title in main) for title in own]
    return {
        "kind": "table",
        "label": label,
        "key": key,
        "columns": columns,
        "rows": [[row[title] for title in own] for row in rows],
        "link": own.index(main[0]),
        "links": list(links),
        "opens": [
            {**each, **{part: _pool_indices(each[part], pool) for part in _POOLED if part in each}} for each in opens
        ],
        "titles": list(titles),
        "pool": [json.loads(text) for text in pool],
    }


def _pool_indices(pairs: Sequence[Any], pool: dict[str, int]) -> list[int]:
    """Return the index of each pair in the pool. Rows share most of their plans, so equal pairs are stored once."""
    return [pool.setdefault(json.dumps(pair), len(pool)) for pair in pairs]


def _column(title: str, cells: Sequence[str], main: bool) -> Block:
    """Describe a column. `numbers` are the sort keys (None for cells without a number), or None for a text column."""
    numbers = [number_of(cell) for cell in cells]
    filled = [cell for cell in cells if cell != NOTHING and not _INCOMPLETE.fullmatch(cell)]
    numeric = all(number_of(cell) is not None for cell in filled) if filled else title not in _NAMES
    kinds = len(set(cells))
    return {
        "title": title,
        "main": main,
        "facet": title in _FACETS and 1 < kinds <= 30,
        "numbers": numbers if numeric else None,
    }


def flattened(value: Any) -> Any:
    """Return `value` with every text on one line, without line breaks, control or bidirectional characters."""
    if isinstance(value, str):
        return value if value.isprintable() else one_line(value)
    if isinstance(value, dict):
        return {key: flattened(each) for key, each in value.items()}
    return [flattened(each) for each in value] if isinstance(value, list) else value


def number_of(cell: str) -> float | None:
    """Return the number that a cell starts with, to sort by; None for text and empty cells."""
    found = _NUMBER.fullmatch(cell)
    return float(found[1]) if found else None
