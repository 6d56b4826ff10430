"""Read the grids of cells. Imports no torch."""

from __future__ import annotations

import re

from elrbench import ElrError

_GRID = re.compile(r"([1-9]\d?)x([1-9]\d?)x([1-9]\d?)")


def read_grids(text: str, size: tuple[int, int] | None = None) -> list[tuple[int, int, int]]:
    """Parse "1x1x1,2x6x8" to (T, Y, X) each. ElrError for another form or more cells than pixels in `size`."""
    grids = []
    for part in text.split(","):
        found = _GRID.fullmatch(part.strip())
        if not found:
            raise ElrError(f"backbone.grids={text!r} is not a list of grids TxYxX; use e.g. 1x1x1,1x2x2,2x3x4,2x6x8")
        times, rows, columns = map(int, found.groups())
        if size is not None and (rows > size[0] or columns > size[1]):
            raise ElrError(
                f"backbone.grids: {part.strip()} has more cells than {size[0]}x{size[1]} pixels; raise --size"
            )
        grids.append((times, rows, columns))
    return grids
