"""Silhouettes by background subtraction: foreground 255, background 0, then the area average.

The background is subtracted on a grid of `detail` x `detail` pixels per low pixel, to which the frames are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.specs import Value
from elrbench_plugins.protecting.masks import Mask, averaged, differs, fine
from elrbench_plugins.protecting.mixture import Mixture
from elrbench_plugins.protecting.running import RunningMedian

Array = npt.NDArray[np.uint8]


class Background(Protocol):
    """A background that is learnt frame by frame."""

    def foreground(self, picture: npt.NDArray[np.float32]) -> Mask:
        """Return the foreground (rows, columns) of the next frame (3, rows, columns) in grey levels, and learn."""


class FrameByFrame:
    """A `ClipDegrader` that knows the frames so far."""

    def __init__(self, low: tuple[int, int], detail: int, background: Background) -> None:
        self.low, self.detail, self.background = low, detail, background

    def add(self, frames: Frames) -> Array:
        """Return the silhouettes, uint8 (T, 3, h, w)."""
        pictures = reduce(frames, fine(self.low, self.detail))
        return averaged(np.stack([self.background.foreground(picture) for picture in pictures]), self.low)

    def finish(self) -> Array:
        """Return no frame."""
        return np.empty((0, 3, *self.low), np.uint8)


class WholeClip:
    """A `ClipDegrader` that subtracts the median of all frames. It keeps 3 detail² h w bytes of each frame."""

    def __init__(self, low: tuple[int, int], detail: int, threshold: float) -> None:
        self.low, self.detail, self.threshold = low, detail, threshold
        self.kept: list[Array] = []

    def add(self, frames: Frames) -> Array:
        """Keep the frames; return none."""
        self.kept.append(to_grey_levels(reduce(frames, fine(self.low, self.detail))))
        return np.empty((0, 3, *self.low), np.uint8)

    def finish(self) -> Array:
        """Return the silhouettes of the clip, uint8 (T, 3, h, w)."""
        clip = np.concatenate(self.kept)  # (T, 3, rows, columns)
        background = np.median(clip, axis=0).astype(np.float32)
        return averaged(np.stack([differs(picture, background, self.threshold) for picture in clip]), self.low)


def start(low: tuple[int, int], options: Mapping[str, Value], seed: int) -> FrameByFrame | WholeClip:
    """Return the degradation of one clip."""
    detail, threshold, kind = int(options["detail"]), float(options["threshold"]), options["background"]
    if kind == "median":
        return WholeClip(low, detail, threshold)
    if kind == "running":
        return FrameByFrame(low, detail, RunningMedian(threshold))
    rate, share, sigma = (float(options[key]) for key in ("rate", "share", "sigma"))
    return FrameByFrame(low, detail, Mixture(int(options["gaussians"]), rate=rate, share=share, sigma=sigma))
