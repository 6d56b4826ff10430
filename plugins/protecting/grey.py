"""A sensor without colour: luma Y = 0.299 R + 0.587 G + 0.114 B (BT.601), one noise value per pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.specs import Value
from elrbench_plugins.protecting.noise import noisy

if TYPE_CHECKING:
    from torch import Tensor

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def degrade(frames: Frames, low: tuple[int, int], options: Mapping[str, Value], seed: int) -> npt.NDArray[np.uint8]:
    """Return the low view, uint8 (T, 3, h, w), three equal channels, of fitted frames."""
    pictures = reduce(frames, low, sigma=float(options["sigma_blur"]))  # (T, 3, h, w)
    grey = np.einsum("c,tchw->thw", LUMA, pictures)
    sigma = float(options["sigma_noise"])
    grey = np.stack([noisy(picture, sigma, seed, number) for number, picture in enumerate(grey, start=frames.first)])
    return np.repeat(to_grey_levels(grey)[:, None], 3, axis=1)


def from_high(high: Tensor, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Return (N, 3, h, w) in [0, 1], in whole grey levels, for float `high` (N, 3, H, W) in [0, 1]; new noise."""
    import torch  # imported here: storing clips needs no torch

    from elrbench_plugins.degradations.from_high import degrade as average

    weights = torch.tensor(LUMA, dtype=high.dtype, device=high.device)
    grey = (high * weights[:, None, None]).sum(1, keepdim=True)  # (N, 1, H, W)
    return average(grey, low, options).expand(-1, 3, -1, -1)
