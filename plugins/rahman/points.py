"""Where HOG and HOF are computed: space-time interest points (Laptev, IJCV 2005), or a dense grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

INTEGRATION = 2.0  # s: variances of the window of the second-moment matrix are s times those of the scale
K = 0.005  # H = det(mu) - k trace(mu)^3
REACH = 3.0  # standard deviations of a Gaussian's window


def gaussian(volume: Tensor, sigma: float, tau: float) -> Tensor:
    """Smooth volumes (n, T, H, W) by a Gaussian of `sigma` pixels and `tau` frames; borders are repeated."""
    for axis, scale in ((1, tau), (2, sigma), (3, sigma)):
        reach = max(1, math.ceil(REACH * scale))
        at = torch.arange(-reach, reach + 1, dtype=volume.dtype, device=volume.device)
        weights = (-0.5 * (at / scale) ** 2).exp()
        lines = volume.movedim(axis, -1)
        padded = F.pad(lines.flatten(0, 2).unsqueeze(1), (reach, reach), mode="replicate")
        smooth = F.conv1d(padded, (weights / weights.sum()).reshape(1, 1, -1))
        volume = smooth.reshape(lines.shape).movedim(-1, axis)
    return volume


def harris(volume: Tensor, sigma: float, tau: float) -> Tensor:
    """Return H (T, H, W) of grey levels (T, H, W), eq. 9 of Laptev: large where the picture changes along all axes."""
    smooth = gaussian(volume.unsqueeze(0), sigma, tau)[0]
    steps = torch.gradient(torch.cat([smooth, smooth]) if len(smooth) == 1 else smooth, dim=(2, 1, 0))
    x, y, t = (each[: len(volume)] for each in steps)
    products = torch.stack([x * x, y * y, t * t, x * y, x * t, y * t])
    xx, yy, tt, xy, xt, yt = gaussian(products, math.sqrt(INTEGRATION) * sigma, math.sqrt(INTEGRATION) * tau)
    determinant = xx * (yy * tt - yt * yt) - xy * (xy * tt - yt * xt) + xt * (xy * yt - yy * xt)
    return determinant - K * (xx + yy + tt) ** 3


def interest_points(volume: Tensor, sigma: float, tau: float, most: int) -> tuple[Tensor, Tensor]:
    """Return up to `most` points, int64 (M, 3) as frame, row and column, and which of them are real, bool (M,).

    A point is a local maximum of H within 3x3x3 voxels, and positive; the strongest come first.
    """
    response = harris(volume, sigma, tau)
    highest = F.max_pool3d(response[None, None], 3, 1, 1)[0, 0]
    peaks = torch.where((response == highest) & (response > 0), response, 0).flatten()
    strength, number = peaks.topk(min(most, len(peaks)))
    _, rows, columns = volume.shape
    return torch.stack([number // (rows * columns), number // columns % rows, number % columns], 1), strength > 0


def dense_points(shape: tuple[int, int, int], side: int, length: int) -> Tensor:
    """Return the centres (M, 3) of cuboids that overlap by half in a volume (T, H, W)."""
    centres = []
    for extent, size in zip(shape, (length, side, side), strict=True):
        room = max(0, extent - size)
        count = 2 * room // size + 1  # steps of half a cuboid
        centres.append(torch.linspace(min(extent, size) / 2, min(extent, size) / 2 + room, count).long())
    return torch.cartesian_prod(*centres)
