"""The gradient-based confidence map (section III.C.1.b; Fig. 7, middle): what was lost is what had edges.

Both images are blurred, their gradients taken and widened by dilation; d is the magnitude of the difference. Section
IV.B gives a Gaussian blur and ten iterations of OpenCV's dilation, whose kernel is 3x3 by default: together they are
one maximum over 21x21. Those are pixels of views 256 high; at another height, sizes follow.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d, pad

from elrbench_plugins.cstat.confidence import ConfidenceMap, frames_of
from elrbench_plugins.cstat.difference_map import brightness

PAPER_HEIGHT = 256  # pixels
SMOOTHING = {"sobel": (1 / 4, 2 / 4, 1 / 4), "scharr": (3 / 16, 10 / 16, 3 / 16)}  # across the difference (-1, 0, 1)


class Gradient(ConfidenceMap):
    """d = |dilated gradient(HR) - dilated gradient(eLR)|, a frame at a time. It has no parameters.

    sigma: of the blur, in pixels of a view 256 high; 0 blurs nothing. blurred: "image" before the gradient is taken, or
    "gradient" after. dilations: of 3x3, at a height of 256.
    """

    def __init__(
        self,
        sigma: float = 1.0,
        dilations: int = 10,
        *,
        blurred: str = "image",
        operator: str = "sobel",
        normalise: str = "max",
        grey: str = "bt601",
    ) -> None:
        super().__init__(normalise)
        self.sigma = sigma
        self.dilations = dilations
        self.blurred = blurred
        self.operator = operator
        self.grey = grey

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """d, (N, [T,] H, W)."""
        apart = (self.edges(frames_of(high)) - self.edges(frames_of(low))).abs()  # (N[*T], H, W)
        return apart.reshape(high.shape[0], *high.shape[2:])

    def edges(self, frames: Tensor) -> Tensor:
        """(M, C, H, W) to its widened gradients (M, H, W): a step from 0 to 1 has 1/2 on either side of it."""
        seen = brightness(frames, self.grey).unsqueeze(1)  # (M, 1, H, W)
        height = seen.shape[-2]
        if self.blurred == "image":
            seen = blur(seen, self.sigma * height / PAPER_HEIGHT)
        seen = gradient(seen, self.operator)
        if self.blurred == "gradient":
            seen = blur(seen, self.sigma * height / PAPER_HEIGHT)
        side = dilation_size(height, self.dilations)
        for window in ((side, 1), (1, side)):  # a square's maximum is that of its columns' maxima
            seen = max_pool2d(seen, window, stride=1, padding=(window[0] // 2, window[1] // 2))
        return seen.squeeze(1)


def dilation_size(height: int, dilations: int = 10) -> int:
    """Side of the square of which a pixel takes the maximum: 21 for ten dilations at 256, odd, and 3 or more."""
    if dilations == 0:
        return 1
    return max(3, 2 * round(dilations * height / PAPER_HEIGHT) + 1)


def blur_size(sigma: float) -> int:
    """Side of the Gaussian's window for a sigma in pixels: three of them on either side, odd, and 3 or more."""
    return max(3, 2 * math.ceil(3 * sigma) + 1)


def blur(images: Tensor, sigma: float) -> Tensor:
    """(M, 1, H, W) under a Gaussian of `sigma` pixels; mirrored about its border pixels, as OpenCV does."""
    if sigma == 0:
        return images
    half = blur_size(sigma) // 2
    across = torch.arange(-half, half + 1, dtype=images.dtype, device=images.device)
    taps = (-across.square() / (2 * sigma**2)).exp()
    return separable(images, taps / taps.sum(), taps / taps.sum())


def gradient(images: Tensor, operator: str = "sobel") -> Tensor:
    """Magnitude of the gradient of (M, 1, H, W), in brightness a pixel."""
    smooth = images.new_tensor(SMOOTHING[operator])
    slope = images.new_tensor((-0.5, 0.0, 0.5))
    return torch.hypot(separable(images, smooth, slope), separable(images, slope, smooth))


def separable(images: Tensor, down: Tensor, along: Tensor) -> Tensor:
    """(M, 1, H, W) filtered by the taps `down` its columns and `along` its rows, both odd; the size stays."""
    rows, columns = len(down) // 2, len(along) // 2
    padded = pad(images, (columns, columns, rows, rows), mode="reflect")
    return conv2d(conv2d(padded, down.reshape(1, 1, -1, 1)), along.reshape(1, 1, 1, -1))
