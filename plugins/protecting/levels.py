"""Few grey levels: an analogue-to-digital converter of log2(n) bits, evenly spaced, rounding to the nearest level."""

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
    """Return the low view, uint8 (T, 3, h, w), of fitted frames, in `levels` grey levels from 0 to 255."""
    return table(int(options["levels"]))[average.degrade(frames, low, options, seed)]


def from_high(high: Tensor, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Return (N, 3, h, w) in [0, 1], in `levels` grey levels, for float `high` (N, 3, H, W) in [0, 1]; new noise."""
    import torch  # imported here: storing clips needs no torch

    from elrbench_plugins.degradations.from_high import degrade as averaged

    grey_levels = (averaged(high, low, options) * 255).round().long()  # (N, 3, h, w)
    levels = torch.tensor(table(int(options["levels"])), dtype=high.dtype, device=high.device)
    return levels[grey_levels] / 255


def table(levels: int) -> npt.NDArray[np.uint8]:
    """Return the quantised value of each of the 256 grey levels: the nearest of `levels` values from 0 to 255."""
    step = 255 / (levels - 1)
    return np.rint(np.floor(np.arange(256) / step + 0.5) * step).astype(np.uint8)
