"""Bicubic down-sampling on the device, as for TinyVIRAT's pairs of 14x14 or 28x28 with 112x112 (section V.A)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from benchmark_core.specs import Value


def degrade(high: Tensor, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Return (N, 3, h, w) in [0, 1] for float `high` (N, 3, H, W) in [0, 1].

    Antialiased: the kernel widens with the factor. The cubic kernel overshoots at edges, so the result is clamped.
    """
    return F.interpolate(high, size=low, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
