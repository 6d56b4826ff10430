"""Kernels between feature vectors, and the distances in them."""

from __future__ import annotations

import torch
from torch import Tensor

AT_ONCE = 2**23  # numbers of a chunk of chi-square differences; bounds its memory


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """Return |a_i - b_j|^2 (N, M) for a (N, D) and b (M, D), by |a|^2 - 2 a b + |b|^2: a matrix product."""
    return ((a * a).sum(1, keepdim=True) - 2 * a @ b.T + (b * b).sum(1)).clamp(min=0)


def chi_square(a: Tensor, b: Tensor, groups: int) -> Tensor:
    """Return the chi-square distance of each group of features, sum (a - b)^2 / (a + b) / 2: (N, M, groups).

    a: (N, D), b: (M, D), not negative; D is a multiple of `groups`, whose features are contiguous.
    """
    step = max(1, AT_ONCE // max(1, a.numel()))
    found = []
    for first in range(0, len(b), step):
        one, other = a.unsqueeze(1), b[first : first + step].unsqueeze(0)  # (N, 1, D), (1, m, D)
        each = (one - other) ** 2 / (one + other).clamp(min=1e-12)  # (N, m, D)
        found.append(each.reshape(*each.shape[:2], groups, -1).sum(-1) / 2)
    return torch.cat(found, 1)
