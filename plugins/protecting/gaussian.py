"""Gaussian blur of the whole frame, in parts of the view's height, then sampling at the low size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.specs import Value
from elrbench_plugins.degradations import average

if TYPE_CHECKING:
    from torch import Tensor


def degrade(frames: Frames, low: tuple[int, int], options: Mapping[str, Value], seed: int) -> npt.NDArray[np.uint8]:
    """Return the low view, uint8 (T, 3, h, w), of fitted frames."""
    return average.degrade(frames, low, in_low_pixels(low, options), seed)


def from_high(high: Tensor, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Return (N, 3, h, w) in [0, 1], in whole grey levels, for float `high` (N, 3, H, W) in [0, 1]; new noise."""
    from elrbench_plugins.degradations.from_high import degrade as averaged  # storing clips needs no torch

    return averaged(high, low, in_low_pixels(low, options))


def in_low_pixels(low: tuple[int, int], options: Mapping[str, Value]) -> dict[str, Value]:
    """Return the options of `average-HxW` that blur alike: `sigma` heights are `sigma` * h low pixels."""
    return {"sigma_blur": float(options["sigma"]) * low[0], "sigma_noise": options["sigma_noise"]}
