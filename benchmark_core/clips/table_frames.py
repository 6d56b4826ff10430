"""Read frames from a table: a CSV file with a header line, then one frame per row and one pixel per column.

2017/02/06 18:46:52                  lines before the header are skipped
Time (sec),PTAT,P000,P001,…,P255     pixels row by row from the top left
0.187,25.4,23.54,23.66,…
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.array_frames import grey_levels
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.frames import Frames
from benchmark_core.specs.index import TableFrames

PREAMBLE = 16  # lines that may contain the header
LONGEST = 1 << 20  # characters of such a line: another file may be one very long line


def read_table(source: TableFrames, chunk: int) -> Iterator[Frames]:
    """Yield the source's rows as grey frames, at most `chunk` at a time.

    Grey levels are linear from `coldest` (0) to `hottest` (255), rounded and clipped. Raises BadClip, naming the row
    counted from 1, if there are too few rows, a row is too short, or a cell is not a number.
    """
    held: list[npt.NDArray[np.float64]] = []
    for values in _rows(source):
        held.append(values)
        if len(held) == chunk:
            yield _grey(held, source)
            held = []
    if held:
        yield _grey(held, source)


def _grey(rows: list[npt.NDArray[np.float64]], source: TableFrames) -> Frames:
    values = np.stack(rows).reshape(-1, *source.shape)  # (T, rows, columns)
    return Frames(planes=(grey_levels(values, source.coldest, source.hottest),), colour="grey")


def _rows(source: TableFrames) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the pixels of the source's rows."""
    try:
        with source.path.open(encoding="utf-8-sig", errors="replace", newline=None) as file:
            cells_of = _columns(file, source)
            number = -1
            for number, line in enumerate(file):
                if number > source.last:
                    return
                if number >= source.first:
                    yield _pixels(line, cells_of, source.path, number + 1)
    except OSError as error:
        raise BadClip(str(source.path), error.strerror or str(error)) from error
    if number < source.last:
        found = f"it has {number + 1} rows of frames"
        raise BadClip(str(source.path), f"{found}, but rows {source.first + 1} to {source.last + 1} are listed")


def _columns(file: TextIO, source: TableFrames) -> list[int]:
    """Return the cell index of each pixel of a row. `file` is then at the first row below the header."""
    wanted = math.prod(source.shape)
    named = re.compile(rf"{re.escape(source.prefix)}(\d+)")
    for _ in range(PREAMBLE):
        cells = [cell.strip() for cell in file.readline(LONGEST).split(",")]
        found = {int(match[1]): index for index, cell in enumerate(cells) if (match := named.fullmatch(cell))}
        if sorted(found) == list(range(wanted)):
            return [found[number] for number in range(wanted)]
    columns = f"{source.prefix}0 to {source.prefix}{wanted - 1}"
    raise BadClip(str(source.path), f"none of its first {PREAMBLE} lines names the {wanted} columns {columns}")


def _pixels(line: str, cells_of: list[int], path: Path, number: int) -> npt.NDArray[np.float64]:
    cells = line.rstrip("\n").split(",")
    if len(cells) <= max(cells_of):
        raise BadClip(str(path), f"row {number} has {len(cells)} cells, expected {max(cells_of) + 1}")
    try:
        values = np.array([float(cells[cell]) for cell in cells_of])
    except ValueError as error:
        raise BadClip(str(path), f"row {number}: {error}") from error
    if not np.isfinite(values).all():
        wrong = cells[cells_of[int(np.argmin(np.isfinite(values)))]]
        raise BadClip(str(path), f"row {number}: '{wrong}' is not a temperature")
    return values
