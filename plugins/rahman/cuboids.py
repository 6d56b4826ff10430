"""HOG and HOF of cuboids (Laptev et al., CVPR 2008): histograms of 3x3x2 cells from sums over the whole volume."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from elrbench_plugins.hof_svm.histograms import Vote

CELLS = (2, 3, 3)  # in time, rows and columns
DIRECTIONS = 4


def vote_volume(ballot: Sequence[Vote], bins: int) -> Tensor:
    """Return the votes for each bin, (bins, T, H, W)."""
    shape = ballot[0].bin.shape
    volume = torch.zeros(bins, *shape, device=ballot[0].weight.device)
    for vote in ballot:
        volume.scatter_add_(0, vote.bin.unsqueeze(0), vote.weight.unsqueeze(0).to(volume.dtype))
    return volume


def cuboid_histograms(volume: Tensor, centres: Tensor, side: int, length: int) -> Tensor:
    """Return descriptors of length 1, (M, 18 * bins): cell by cell, bin by bin. Empty ones are zero.

    volume: votes (bins, T, H, W). centres: int64 (M, 3). Parts of a cuboid outside the volume have no votes.
    """
    sums = F.pad(volume.double(), (1, 0, 1, 0, 1, 0)).cumsum(1).cumsum(2).cumsum(3)  # (bins, T+1, H+1, W+1)
    edges = []
    for axis, (cells, size) in enumerate(zip(CELLS, (length, side, side), strict=True)):
        steps = (torch.arange(cells + 1, device=centres.device) * size) // cells - size // 2
        edges.append((centres[:, axis, None] + steps).clamp(0, volume.shape[axis + 1]))  # (M, cells + 1)
    t, y, x = edges
    corners = sums[:, t[:, :, None, None], y[:, None, :, None], x[:, None, None, :]]  # (bins, M, 3, 4, 4)
    cells_of = corners.diff(dim=2).diff(dim=3).diff(dim=4)  # (bins, M, 2, 3, 3)
    found = cells_of.permute(1, 2, 3, 4, 0).flatten(1).float()
    return found / found.norm(dim=1, keepdim=True).clamp_min(1e-12)
