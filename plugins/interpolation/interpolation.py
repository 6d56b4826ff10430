"""Interpolation between pixel centres, with repeated borders.

Example::

    enlarge = bicubic((12, 16), (256, 340))
    image = enlarge(torch.rand(8, 3, 12, 16))  # (8, 3, 256, 340)
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import interpolate


class Interpolation(nn.Module):
    """Interpolate (N, 3, h, w) in [0, 1] to (N, 3, H, W) in [0, 1]. A view of size HxW is returned unchanged.

    Along a side that shrinks, bilinear and bicubic widen their kernel, so that a clip larger than network size does not
    alias.
    """

    def __init__(self, size: tuple[int, int], mode: str) -> None:
        super().__init__()
        self.size = size
        self.mode = mode

    def forward(self, low: Tensor) -> Tensor:
        """Return `low` (N, 3, h, w) at network size, (N, 3, H, W)."""
        if low.shape[-2:] == self.size:
            return low
        if self.mode == "nearest":
            return interpolate(low, self.size, mode="nearest-exact")
        shrinks = low.shape[-2] > self.size[0] or low.shape[-1] > self.size[1]
        image = interpolate(low, self.size, mode=self.mode, align_corners=False, antialias=shrinks)
        return image.clamp(0, 1) if self.mode == "bicubic" else image  # a cubic kernel overshoots at edges

    def extra_repr(self) -> str:
        """Return what `print` shows."""
        return f"size={self.size}, mode={self.mode}"


def nearest(
    low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, object] | None = None
) -> Interpolation:
    """Return an enhancer that takes the nearest pixel centre."""
    return Interpolation(size, "nearest")


def bilinear(
    low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, object] | None = None
) -> Interpolation:
    """Return linear interpolation between the two nearest pixel centres of each axis."""
    return Interpolation(size, "bilinear")


def bicubic(
    low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, object] | None = None
) -> Interpolation:
    """Return cubic convolution (a = -0.75) over the four nearest pixel centres of each axis, clamped to [0, 1]."""
    return Interpolation(size, "bicubic")


def none(
    low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, object] | None = None
) -> Interpolation:
    """Return the identity. Natively low clips of another size are resized like by `bilinear`."""
    return Interpolation(size, "bilinear")
