"""Frames of sensors: raw bytes on stdin, thermal arrays as lines of numbers, and NPY files."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.array_frames import frame_of
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.watch.frames import Frame, FrameSource, planes_of

LONGEST = 1 << 20  # characters of a line
TEXT: dict[str, Any] = {"encoding": "utf-8-sig", "errors": "replace"}

Levels = Callable[[npt.NDArray[Any]], npt.NDArray[np.uint8]]  # measured values -> grey levels of the same shape


def _lines_of_stdin() -> IO[str]:
    """Return standard input, decoded as files are: bytes that are no text damage their line alone."""
    buffer = getattr(sys.stdin, "buffer", None)  # a stream that stands in for stdin may have none
    return sys.stdin if buffer is None else io.TextIOWrapper(buffer, **TEXT)


class RawSource(FrameSource):
    """Bytes of frames one after another. shape: (H, W, C) with C = 1 or 3, row by row, channels last."""

    def __init__(self, file: IO[bytes], shape: tuple[int, int, int], rate: float) -> None:
        super().__init__("stdin", rate)
        self.file, self.shape = file, shape

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the end of the file. Raises ElrError if it ends within a frame."""
        size, number = int(np.prod(self.shape)), 0
        while data := self.file.read(size):
            if len(data) < size:
                raise ElrError(
                    f"stdin ended within frame {number + 1}: it has {len(data)} of {size} bytes; check --raw "
                    f"{'x'.join(map(str, self.shape))}"
                )
            levels = np.frombuffer(data, np.uint8).reshape(self.shape)
            yield Frame(planes=planes_of(levels), seconds=self.time_of(number))
            number += 1


class LineSource(FrameSource):
    """Lines of numbers, one frame each, separated by commas, semicolons or blanks.

    The last H*W numbers of a line are the frame, row by row; columns before them, such as a time, are left out. Lines
    before the first frame may be a header. Later lines that are not a frame are counted in `damaged`.
    """

    def __init__(self, path: Path | None, shape: tuple[int, int], levels: Levels, rate: float) -> None:
        """path: None for stdin."""
        super().__init__("stdin" if path is None else str(path), rate)
        self.path, self.shape, self.levels = path, shape, levels

    def frames(self) -> Iterator[Frame]:
        """Yield frames. Raises ElrError if the file cannot be opened, or if no line is a frame."""
        try:
            opened = nullcontext(_lines_of_stdin()) if self.path is None else self.path.open(**TEXT)
        except OSError as error:
            raise ElrError(f"{self.name} cannot be opened: {error.strerror}") from error
        with opened as file:
            yield from self._read(file)

    def _read(self, file: IO[str]) -> Iterator[Frame]:
        number, seen = 0, ""
        for line in iter(lambda: file.readline(LONGEST), ""):
            values = frame_of(line, self.shape)
            if values is not None and np.isfinite(values).all():
                yield Frame(planes=planes_of(self.levels(values)), seconds=self.time_of(number))
                number += 1
            elif number and line.strip():
                self.damaged += 1
            elif not number:
                seen = line.strip() or seen
        if not number:
            rows, columns = self.shape
            raise ElrError(
                f"{self.name} has no line that ends with {rows * columns} numbers ({rows}x{columns}); its last line "
                f"is {seen[:60]!r}"
            )


class ArraySource(FrameSource):
    """An NPY file of (N, H, W) or (N, H, W, C) values with C = 1 or 3, read as they are needed.

    levels: turns values into grey levels; None if they are grey levels, uint8.
    """

    def __init__(self, path: Path, levels: Levels | None, rate: float) -> None:
        super().__init__(str(path), rate)
        self.values, self.levels = _opened(path), levels
        if levels is None and self.values.dtype != np.uint8:
            raise ElrError(
                f"{path} holds {self.values.dtype} values, which are no grey levels; pass the values of grey levels 0 "
                "and 255 as --coldest and --hottest"
            )

    def frames(self) -> Iterator[Frame]:
        """Yield frames. Frames with values that are not finite are counted in `damaged` and left out."""
        for number in range(len(self.values)):
            values = np.asarray(self.values[number])
            if not np.isfinite(values).all():
                self.damaged += 1
                continue
            levels = values if self.levels is None else self.levels(values)
            yield Frame(planes=planes_of(levels), seconds=self.time_of(number))


def _opened(path: Path) -> npt.NDArray[Any]:
    """Return the mapped array. Raises ElrError if it has another shape, or if its values are not real numbers."""
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ElrError(f"{path} cannot be read as an NPY file: {error}") from error
    if not isinstance(values, np.ndarray):
        raise ElrError(f"{path} holds several arrays (NPZ); save one array of frames with numpy.save")
    if not any(np.issubdtype(values.dtype, kind) for kind in (np.integer, np.floating)):
        raise ElrError(f"{path} holds {values.dtype} values; save real numbers, or grey levels as uint8")
    shape = values.shape
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)) or 0 in shape:
        raise ElrError(f"{path} holds an array of shape {shape}; use (N, H, W), (N, H, W, 1) or (N, H, W, 3)")
    return values
