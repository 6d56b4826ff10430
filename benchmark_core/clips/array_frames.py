"""Read frames of a sensor array: an NPY file of (N, rows, columns), or lines of numbers, one frame per line.

A line ends with rows * columns numbers, row by row from the top left, separated by commas, semicolons or blanks.
Columns before them, such as a time, are left out. Lines before the first frame may be a header.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.frames import Frames
from benchmark_core.specs.index import ArrayFrames

HEADER = 16  # lines before the first frame that need not be one
LONGEST = 1 << 20  # characters of a line
Values = npt.NDArray[Any]


def read_array(source: ArrayFrames, chunk: int) -> Iterator[Frames]:
    """Yield grey frames, at most `chunk` at a time. Raises BadClip if the file has another shape, or no number."""
    values = npy_values(source.path, source.shape) if source.path.suffix == ".npy" else None
    parts = _lines(source, chunk) if values is None else _slices(values, chunk)
    for first, part in parts:
        if not np.isfinite(part).all():
            frame = first + int(np.argmin(np.isfinite(part).reshape(len(part), -1).all(1)))
            raise BadClip(str(source.path), f"frame {frame + 1} has a value that is not a number")
        yield Frames(planes=(grey_levels(part, source.coldest, source.hottest),), colour="grey")


def grey_levels(values: Values, coldest: float, hottest: float) -> npt.NDArray[np.uint8]:
    """Return levels of any shape, linear from `coldest` (0) to `hottest` (255), rounded and clipped."""
    scaled = (values.astype(np.float64) - coldest) * (255 / (hottest - coldest))
    levels: npt.NDArray[np.uint8] = np.rint(scaled).clip(0, 255).astype(np.uint8)
    return levels


def npy_values(path: Path, shape: tuple[int, int] | None = None) -> Values:
    """Return the mapped array (N, rows, columns). Raises BadClip if it is no such array, or of another shape."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadClip(str(path), f"it cannot be read as NPY: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(values, np.ndarray) or values.ndim != 3 or not np.issubdtype(values.dtype, np.number):
        raise BadClip(str(path), "it is not an array of numbers (frames, rows, columns)")
    if np.iscomplexobj(values) or (shape is not None and values.shape[1:] != shape):
        wanted = "real numbers" if shape is None else f"frames of {shape[0]}x{shape[1]}"
        raise BadClip(str(path), f"it has {values.dtype} frames of {values.shape[1]}x{values.shape[2]}, not {wanted}")
    return values


def frame_of(line: str, shape: tuple[int, int]) -> npt.NDArray[np.float64] | None:
    """Return the frame (rows, columns) at the end of a line; None if the line is not one."""
    count = shape[0] * shape[1]
    cells = re.split(r"[\s,;]+", line.strip().strip(",;"))
    if len(cells) < count:
        return None
    try:
        return np.array([float(cell) for cell in cells[-count:]]).reshape(shape)
    except ValueError:
        return None


def _slices(values: Values, chunk: int) -> Iterator[tuple[int, Values]]:
    for first in range(0, len(values), chunk):
        yield first, np.asarray(values[first : first + chunk])


def _lines(source: ArrayFrames, chunk: int) -> Iterator[tuple[int, Values]]:
    """Yield the number of the first frame, from 0, and frames (n, rows, columns)."""
    held: list[npt.NDArray[np.float64]] = []
    first, size = 0, f"{source.shape[0] * source.shape[1]} numbers ({source.shape[0]}x{source.shape[1]})"
    try:
        with source.path.open(encoding="utf-8-sig", errors="replace") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST), ""), 1):
                frame = frame_of(line, source.shape)
                if frame is not None:
                    held.append(frame)
                elif line.strip() and (first or held or number > HEADER):
                    raise BadClip(str(source.path), f"line {number} does not end with {size}")
                if len(held) == chunk:
                    yield first, np.stack(held)
                    first, held = first + len(held), []
    except OSError as error:
        raise BadClip(str(source.path), error.strerror or str(error)) from error
    if held:
        yield first, np.stack(held)
