"""Blocks that pages are made of, as JSON has them. Texts are plain: whoever shows them shows characters."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from benchmark_core.tables.cells import NOTHING, flat

Block: TypeAlias = dict[str, Any]

# A cell that says a number first: `41.25 ± 0.30`, `≥ 1.782`, `20.0 to 30.5`, `-0.78 (-5.06 to +3.50)`, `1.5 a window`.
_NUMBER = re.compile(
    r"(?:≥ )?([+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?)(?: ± [\d.]+| to [+-]?[\d.]+)?(?: a window)?(?: \(.*\))?", re.DOTALL
)
_SHORT = re.compile(r"\d+/\d+ folds")  # in a column of scores: not in yet
_POOLED = ("plan", "facts")  # of what a row opens: lists of pairs
_FACETS = {"backbone", "enhancer", "budget", "modality", "score", "task", "protocol", "low views", "head", "classes"}
_NAMES = {*_FACETS, "by", "leads", "from", "why not"}  # never numbers, also where no row has one


def heading(text: str, level: int = 2, key: str = "") -> Block:
    """key: what a link leads to."""
    return {"kind": "heading", "level": level, "text": text, "key": key}


def text(*paragraphs: str) -> Block:
    """Paragraphs."""
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
    """A table that sorts and filters. All rows have the columns of the first.

    main: columns that a narrow screen shows too. links: where each row's first main column leads. opens: what each row
    opens; titles: of the cells in it.
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
        "opens": [{**each, **{part: _places(each[part], pool) for part in _POOLED if part in each}} for each in opens],
        "titles": list(titles),
        "pool": [json.loads(text) for text in pool],
    }


def _places(pairs: Sequence[Any], pool: dict[str, int]) -> list[int]:
    """Where each of `pairs` is in the pool: rows have most of their plans in common, which a page then holds once."""
    return [pool.setdefault(json.dumps(pair), len(pool)) for pair in pairs]


def _column(title: str, cells: Sequence[str], main: bool) -> Block:
    """numbers: to sort by, None where a cell has none; there are none at all in a column of texts."""
    numbers = [number_of(cell) for cell in cells]
    said = [cell for cell in cells if cell != NOTHING and not _SHORT.fullmatch(cell)]
    numeric = all(number_of(cell) is not None for cell in said) if said else title not in _NAMES
    kinds = len(set(cells))
    return {
        "title": title,
        "main": main,
        "facet": title in _FACETS and 1 < kinds <= 30,
        "numbers": numbers if numeric else None,
    }


def flattened(value: Any) -> Any:
    """The same with each text on one line, as in tables: no breaks, nothing that turns the direction of writing."""
    if isinstance(value, str):
        return value if value.isprintable() else flat(value)
    if isinstance(value, dict):
        return {key: flattened(each) for key, each in value.items()}
    return [flattened(each) for each in value] if isinstance(value, list) else value


def number_of(cell: str) -> float | None:
    """What a cell is sorted by where it says a number; None where it is a text, or says nothing."""
    found = _NUMBER.fullmatch(cell)
    return float(found[1]) if found else None
