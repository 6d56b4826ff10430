"""The gradient-based confidence map (section III.C.1.b; Fig. 7, middle): the change of edges.

Both images are blurred, their gradients are taken and dilated; d is the magnitude of the difference. Section IV.B names
a Gaussian blur and ten iterations of OpenCV's dilation, whose kernel is 3x3 by default. Ten 3x3 dilations equal one
maximum over 21x21. These sizes are pixels at a height of 256; they scale with the height of the view.
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
    """d = |dilated gradient(HR) - dilated gradient(eLR)|, frame by frame. No parameters.

    An edge between black and white has gradient 1/2 (see `edges`); its loss is complete.

    sigma: of the blur, in pixels at a height of 256; 0 for no blur. dilations: number of 3x3 dilations at a height of
        256. blurred: "image", before the gradient is taken, or "gradient", after. operator: "sobel" or "scharr".
    """

    largest = 0.5

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
        """Return d, (N, [T,] H, W)."""
        apart = (self.edges(frames_of(high)) - self.edges(frames_of(low))).abs()  # (N[*T], H, W)
        return apart.reshape(high.shape[0], *high.shape[2:])

    def edges(self, frames: Tensor) -> Tensor:
        """Return dilated gradient magnitudes (M, H, W) of frames (M, C, H, W). A step of 1 gives 1/2 on either side."""
        seen = brightness(frames, self.grey).unsqueeze(1)  # (M, 1, H, W)
        height = seen.shape[-2]
        if self.blurred == "image":
            seen = blur(seen, self.sigma * height / PAPER_HEIGHT)
        seen = gradient(seen, self.operator)
        if self.blurred == "gradient":
            seen = blur(seen, self.sigma * height / PAPER_HEIGHT)
        side = dilation_size(height, self.dilations)
        for window in ((side, 1), (1, side)):  # the maximum over a square, one axis at a time
            seen = max_pool2d(seen, window, stride=1, padding=(window[0] // 2, window[1] // 2))
        return seen.squeeze(1)


def dilation_size(height: int, dilations: int = 10) -> int:
    """Return the side of the square that equals `dilations` 3x3 dilations at 256: odd, at least 3; 21 for ten."""
    if dilations == 0:
        return 1
    return max(3, 2 * round(dilations * height / PAPER_HEIGHT) + 1)


def blur_size(sigma: float) -> int:
    """Return the side of the Gaussian's window: three sigmas (in pixels) on either side, odd, at least 3."""
    return max(3, 2 * math.ceil(3 * sigma) + 1)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur (M, 1, H, W) by a Gaussian of `sigma` pixels. Borders are reflected without repetition, as in OpenCV."""
    if sigma == 0:
        return images
    half = blur_size(sigma) // 2
    across = torch.arange(-half, half + 1, dtype=images.dtype, device=images.device)
    kernel = (-across.square() / (2 * sigma**2)).exp()
    return separable(images, kernel / kernel.sum(), kernel / kernel.sum())


def gradient(images: Tensor, operator: str = "sobel") -> Tensor:
    """Return the gradient magnitude of (M, 1, H, W), in grey level (0 to 1) per pixel."""
    smooth = images.new_tensor(SMOOTHING[operator])
    slope = images.new_tensor((-0.5, 0.0, 0.5))
    return torch.hypot(separable(images, smooth, slope), separable(images, slope, smooth))


def separable(images: Tensor, down: Tensor, along: Tensor) -> Tensor:
    """Filter (M, 1, H, W) with kernel `down` along H and `along` along W, both of odd length; same size."""
    rows, columns = len(down) // 2, len(along) // 2
    padded = pad(images, (columns, columns, rows, rows), mode="reflect")
    return conv2d(conv2d(padded, down.reshape(1, 1, -1, 1)), along.reshape(1, 1, 1, -1))
