"""The three orthogonal planes of a volume (T, H, W): XY, XT and YT, and histograms of codes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

PLANES = ((1, 2), (0, 2), (0, 1))  # axes of XY, XT and YT: the first one points down, or forwards in time


def at_least(volume: Tensor, sides: tuple[int, int, int]) -> Tensor:
    """Repeat the last entries of a volume (T, H, W) so that no axis is shorter than in `sides`."""
    lacking = [max(0, least - length) for least, length in zip(sides, volume.shape, strict=True)]
    if not any(lacking):
        return volume
    frames, rows, columns = lacking
    return F.pad(volume[None, None], (0, columns, 0, rows, 0, frames), mode="replicate")[0, 0]


def shares(codes: Tensor, bins: int) -> Tensor:
    """Return the share of each code in int64 `codes` of any shape: (bins,), which sum to 1."""
    flat = codes.flatten()
    counts = torch.zeros(bins, device=codes.device)
    counts.scatter_add_(0, flat, torch.ones_like(flat, dtype=counts.dtype))
    return counts / max(1, len(flat))
