"""Decoded frames as planes, before any colour conversion: the input of degradations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]  # (T, rows, columns)


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Consecutive frames of one clip.

    planes: R, G, B; or Y, U, V, where U and V may have half the size; or one grey plane. Each is uint8
        (T, rows, columns).
    colour: meaning of the planes. `yuv-limited` is BT.601 video range, `yuv-full` BT.601 full range (JPEG), `yuv709-*`
        BT.709.
    first: number of the first frame in the clip, so that noise can be seeded by frame.
    region: (top, left, bottom, right) of the part in view, relative to the full-size plane; edges may be between
        pixels. `benchmark_core.clips.fit` sets it, `benchmark_core.clips.resample` reads it.
    whole: whether `region` stays the whole frame, so that other aspects are stretched.
    """

    planes: tuple[Plane, ...]
    colour: Literal["rgb", "grey", "yuv-limited", "yuv-full", "yuv709-limited", "yuv709-full"]
    first: int = 0
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    whole: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the full-size plane."""
        return self.planes[0].shape[1], self.planes[0].shape[2]

    def __len__(self) -> int:
        return int(self.planes[0].shape[0])


class ClipDegrader(Protocol):
    """A degradation of one clip that keeps state over time. The frames arrive in chunks, in order.

    Both functions return the next low frames, uint8 (n, 3, h, w), where n may be 0. After `finish`, there is one low
    frame for each frame of the clip. The result must not depend on where a chunk ends.
    """

    def add(self, frames: Frames) -> npt.NDArray[np.uint8]:
        """Take the next frames. Copy what is kept: the memory of the planes is used again for the next chunk."""

    def finish(self) -> npt.NDArray[np.uint8]:
        """Return the low frames that are still missing when the clip has ended."""
