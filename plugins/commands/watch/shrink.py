"""Bring frames to the low size with the functions that the clip store uses."""

from __future__ import annotations

from benchmark_core.clips.fit import aspect_of, crop_to_aspect
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.errors import ElrError
from elrbench_plugins.commands.watch.frames import Picture, picture


class Shrink:
    """Make low pictures of frames.

    size: (h, w). degrade: crop frames to the aspect of `size` and average them, as the degradation `average-HxW:clean`
    does. Otherwise they must have the size, and are taken as recorded, as the degradation `native` does.
    """

    def __init__(self, size: tuple[int, int], *, degrade: bool) -> None:
        self.size, self.degrade = size, degrade
        self._aspect = aspect_of(size)

    def __call__(self, planes: Frames) -> Picture:
        """Return (3, h, w) of one frame. Raises ElrError if its size is another one, or smaller than the low size."""
        self._refuse_other(planes.size)
        if not self.degrade:
            return picture(planes)
        low: Picture = to_grey_levels(reduce(crop_to_aspect(planes, self._aspect), self.size))[0]
        return low

    def _refuse_other(self, found: tuple[int, int]) -> None:
        if found == self.size:
            return
        text, wanted = f"{found[0]}x{found[1]}", f"{self.size[0]}x{self.size[1]}"
        if found[0] < self.size[0] or found[1] < self.size[1]:
            raise ElrError(
                f"frames have {text} pixels (rows x columns), fewer than the {wanted} that the model takes; pass a "
                f"source with frames of {wanted} or more"
            )
        if not self.degrade:
            raise ElrError(
                f"frames have {text} pixels (rows x columns), and the model takes {wanted}; pass --degrade {wanted}"
            )
