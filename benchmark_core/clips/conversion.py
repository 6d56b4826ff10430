"""Convert the decoded frames of one clip to a stored format, chunk by chunk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.fit import crop_to_aspect
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import ClipDegrader, Frames
from benchmark_core.errors import ElrError
from benchmark_core.specs import resolve

Array = npt.NDArray[np.uint8]  # (n, 3, rows, columns)


def start(stored_format: StoredFormat, seed: int) -> ClipDegrader:
    """Return what converts one clip to `stored_format`. seed: derived from the clip's content."""
    return OverTime(stored_format, seed) if stored_format.over_time else ByFrame(stored_format, seed)


class ByFrame:
    """Convert each frame by itself."""

    def __init__(self, stored_format: StoredFormat, seed: int) -> None:
        self.stored_format, self.seed = stored_format, seed

    def add(self, frames: Frames) -> Array:
        """Return the converted frames."""
        return self.stored_format.make(frames, self.seed)

    def finish(self) -> Array:
        """Return no frame."""
        return np.empty((0, 3, 0, 0), np.uint8)


class OverTime:
    """Pass cropped frames to the `ClipDegrader` of a degradation, and check what it returns.

    `add` and `finish` raise ElrError, naming the degradation, if the frames have another size or type, or if their
    number is wrong.
    """

    def __init__(self, stored_format: StoredFormat, seed: int) -> None:
        assert stored_format.degrade is not None and stored_format.size is not None and stored_format.aspect is not None
        self.name = stored_format.numbers()["degrade"]
        self.size, self.aspect = stored_format.size, stored_format.aspect
        self.degrader: ClipDegrader = resolve(stored_format.degrade)(self.size, stored_format.options, seed)
        self.taken = self.returned = 0

    def add(self, frames: Frames) -> Array:
        """Return the low frames that are ready."""
        self.taken += len(frames)
        made = self._checked(self.degrader.add(crop_to_aspect(frames, self.aspect)))
        if self.returned > self.taken:
            raise self._wrong(f"returned {self.returned} low frames of the first {self.taken} frames")
        return made

    def finish(self) -> Array:
        """Return the other low frames."""
        made = self._checked(self.degrader.finish())
        if self.returned != self.taken:
            raise self._wrong(f"returned {self.returned} low frames of a clip of {self.taken} frames")
        return made

    def _checked(self, made: Array) -> Array:
        self.returned += len(made)
        if made.dtype != np.uint8 or made.shape[1:] != (3, *self.size):
            raise self._wrong(
                f"returned {made.dtype} {made.shape} instead of uint8 (n, 3, {self.size[0]}, {self.size[1]})"
            )
        return made

    def _wrong(self, what: str) -> ElrError:
        return ElrError(f"degradation '{self.name}' {what}; correct the plugin")
