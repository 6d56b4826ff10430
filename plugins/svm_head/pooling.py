"""From the features of a clip's intervals to one vector: temporal pyramid, then scaling.

Pyramid: Lazebnik et al., Beyond Bags of Features, CVPR 2006, along time. Square root of normalised histograms:
Arandjelovic and Zisserman, Three Things Everyone Should Know to Improve Object Retrieval, CVPR 2012.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pyramid(features: Tensor, mask: Tensor, levels: int) -> Tensor:
    """Average features (B, K, F) over parts of the real intervals. Returns (B, F * (2^levels - 1)), level by level.

    mask: (B, K), 1 for a real interval; real intervals come first. Part p of P covers the intervals that its share
    [p n/P, (p+1) n/P) of the n real ones touches, so that no part is empty.
    """
    number = torch.arange(features.shape[1], device=features.device)  # (K,)
    real = (mask > 0).sum(1, keepdim=True)  # (B, 1)
    pooled = []
    for level in range(levels):
        parts = 2**level
        for part in range(parts):
            first, last = (part * real) // parts, -((-(part + 1) * real) // parts)  # floor and ceiling
            inside = ((number >= first) & (number < last)).to(features.dtype)  # (B, K)
            pooled.append((features * inside.unsqueeze(-1)).sum(1) / inside.sum(1, keepdim=True))
    return torch.cat(pooled, 1)


def unit_length(features: Tensor) -> Tensor:
    """Divide each vector (B, D) by its Euclidean length; zeros stay zeros."""
    return features / features.norm(dim=1, keepdim=True).clamp(min=1e-12)


def hellinger(features: Tensor, kinds: Sequence[int], cells: Sequence[int]) -> Tensor:
    """Divide each histogram by its sum and take the square root; empty histograms stay zero.

    features: (B, D), not negative: grid after grid, cell after cell, kind after kind. A histogram is one kind in all
    cells of one grid, so that it also holds where votes are.
    kinds: bins of each kind in a cell. cells: number of cells of each grid.
    """
    scaled = []
    for grid in features.split([number * sum(kinds) for number in cells], 1):
        of_cells = grid.reshape(len(grid), -1, sum(kinds))
        parts = [part / part.sum((1, 2), keepdim=True).clamp(min=1e-12) for part in of_cells.split(list(kinds), 2)]
        scaled.append(torch.cat(parts, 2).sqrt().flatten(1))
    return torch.cat(scaled, 1)
