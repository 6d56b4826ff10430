"""Enlarge low views by cubic resizing with whole grey levels, as `imresize` does with 8-bit pictures."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.semi_coupled.imresize import cubic_matrix


class CubicResize(nn.Module):
    """Map (N, C, h, w) in [0, 1] to (N, C, H, W) in [0, 1], in whole grey levels. size: (H, W)."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, low: Tensor) -> Tensor:
        """Return `low` at network size. A view of this size is returned unchanged."""
        if low.shape[-2:] == self.size:
            return low
        down, across = (
            torch.tensor(cubic_matrix(int(side), wanted), dtype=low.dtype, device=low.device)
            for side, wanted in zip(low.shape[-2:], self.size, strict=True)
        )
        seen = F.linear(F.linear(low, across).mT, down).mT  # (N, C, H, W)
        return seen.clamp(0, 1).mul(255).round().div(255)

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"size={self.size}"


def cubic(
    low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, object] | None = None
) -> CubicResize:
    """Return an enhancer without parameters from any size to `size` (H, W)."""
    return CubicResize(size)
