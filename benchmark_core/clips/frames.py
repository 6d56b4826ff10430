"""Decoded frames as planes, before any colour conversion: what degradations work on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Plane = npt.NDArray[np.uint8]  # (T, rows, columns)


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Some consecutive frames of one clip.

    planes: R, G, B; or Y, U, V with U and V possibly at half size; or one grey plane. uint8 (T, rows, columns) each.
    colour: how planes become RGB; `yuv-limited` is BT.601 video range, `yuv-full` BT.601 full range (JPEG), `yuv709-*`
        BT.709.
    first: number of the first of these frames within the clip, so that noise can be seeded by frame.
    region: (top, left, bottom, right) of the part in view, relative to the full-size plane, fractions of pixels
        included; `benchmark_core.clips.fit` sets it and `benchmark_core.clips.resample` honours it.
    """

    planes: tuple[Plane, ...]
    colour: Literal["rgb", "grey", "yuv-limited", "yuv-full", "yuv709-limited", "yuv709-full"]
    first: int = 0
    region: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)

    @property
    def size(self) -> tuple[int, int]:
        """(rows, columns) of the full-size plane."""
        return self.planes[0].shape[1], self.planes[0].shape[2]

    def __len__(self) -> int:
        return int(self.planes[0].shape[0])
