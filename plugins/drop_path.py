"""Stochastic depth (Huang et al., ECCV 2016): training skips a residual branch for random items of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zero a residual branch with probability `drop`, for each item of a batch; divide it by 1 - `drop` for the others.

    In evaluation the branch is returned unchanged. The paper scales in evaluation instead; the expectation is the same.
    """

    def __init__(self, drop: float) -> None:
        super().__init__()
        self.drop = drop

    def forward(self, branch: Tensor) -> Tensor:
        """Return the shape of `branch`, (N, …)."""
        if not self.training or self.drop == 0:
            return branch
        kept = torch.rand(len(branch), *[1] * (branch.ndim - 1), device=branch.device) >= self.drop
        return branch * (kept / (1 - self.drop)).to(branch.dtype)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"drop={self.drop:.3g}"


def linear_in_depth(last: float, blocks: int) -> list[float]:
    """Return the drop probability of each block, l / L times that of the last block (eq. 4 with p_L = 1 - `last`)."""
    return [last * number / blocks for number in range(1, blocks + 1)]
