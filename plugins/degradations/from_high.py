"""The area average with blur and noise, of stored high views on their device: for methods that transform them first."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from benchmark_core.clips.resample import Matrix, area_matrix
from benchmark_core.specs import Value

TAIL = 1e-8  # weights that change no grey level


def degrade(high: Tensor, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Return (N, 3, h, w) in [0, 1], in whole grey levels, for float `high` (N, 3, H, W) in [0, 1].

    As `average.degrade` on decoded frames, with two differences: light from outside the view does not contribute to the
    blur, and the noise is new, from torch's random state.
    """
    sigma_blur, sigma_noise = float(options["sigma_blur"]), float(options["sigma_noise"])
    rows, columns = (
        torch.tensor(_matrix(side, cells, sigma_blur), dtype=high.dtype, device=high.device)
        for side, cells in zip(high.shape[-2:], low, strict=True)
    )  # (h, H), (w, W)
    across = high.reshape(-1, high.shape[-1]) @ columns.T  # one product for all rows is fastest
    levels = 255 * (rows @ across.reshape(*high.shape[:-1], low[1]))  # (N, 3, h, w)
    if sigma_noise > 0:
        levels = levels + sigma_noise * torch.randn_like(levels)
    return levels.round().clamp(0, 255) / 255


def _matrix(side: int, cells: int, sigma: float) -> Matrix:
    """Return the blurred average's matrix (cells, side) without a Gaussian's tails: denormal numbers are slow."""
    matrix = area_matrix(side, cells, 0, side, sigma)
    return np.where(matrix > TAIL, matrix, 0)
