"""What modules of plugins may declare about themselves. A plain `nn.Module` declares nothing and gets the defaults."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HeadInput(Protocol):
    """A head that declares its input: pooled features, or with `pooled = False` the last stage maps."""

    pooled: bool


@runtime_checkable
class ForegroundEnhancer(Protocol):
    """An enhancer that weights pixels by how much they belong to the foreground; reports show the weights."""

    def attention(self, low: Tensor) -> Tensor:
        """Map (N, 3, [frames,] h, w) in [0, 1] to weights (N, 1, [frames,] H, W) in [0, 1]."""


def takes_maps(head: nn.Module) -> bool:
    """Return whether `head` takes stage maps (B, K, C, [T,] h, w) instead of pooled features (B, K, F)."""
    return isinstance(head, HeadInput) and not head.pooled
