"""Optical flow on the device: iterative Lucas-Kanade on a pyramid.

Lucas & Kanade, IJCAI 1981, solve for the displacement that explains the differences in a window around each pixel.
Bouguet, Pyramidal Implementation of the Lucas Kanade Feature Tracker, 2001, repeats this from coarse to fine, each time
after warping the second picture back.

`benchmark_core.networks.lucas_kanade` does neither: it is part of deployed networks, where motion is below two pixels.
Here the pictures are finer and the flow serves training alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark_core.clips.pixels import GREY

WINDOW = 1.5  # standard deviation of the Gaussian window, in pixels
TAIL = 1e-6  # smaller weights are left out, because products with denormal numbers are slow
RIDGE = 1e-3  # added to the diagonal of the 2x2 system; gradients are per pixel of grey in [0, 1]
ITERATIONS = 3  # per level
SMALLEST = 6  # pixels of the shorter side at the coarsest level
LARGEST = 2.0  # pixels by which one iteration may change the flow


def flow_at(high: Tensor, size: Sequence[int]) -> Tensor:
    """Return the flow (B*K, 2, T, h, w) of high views (B, K, 3, T, H, W), which are averaged to `size` first.

    h and w are those of `size`, or of the view if it is smaller. Flow is in pixels of this size.
    """
    frames = high.flatten(0, 1)  # (B*K, 3, T, H, W)
    sides = [min(wanted, side) for wanted, side in zip(size, frames.shape[-2:], strict=True)]
    return flow_of(F.adaptive_avg_pool2d(frames.flatten(1, 2), sides).unflatten(1, frames.shape[1:3]))


def flow_of(frames: Tensor) -> Tensor:
    """Return the flow (N, 2, T, H, W) in pixels, right and down, between consecutive frames of (N, 3, T, H, W).

    As in stored flow, entry i is the flow from frame i to frame i + 1, and the last entry repeats the one before it.
    Raises ValueError for a single frame.
    """
    number, _, count, height, width = frames.shape
    if count < 2:
        raise ValueError("flow needs two frames or more")
    grey = (frames.float() * frames.new_tensor(GREY).reshape(3, 1, 1, 1)).sum(1)  # (N, T, H, W)
    found = lucas_kanade(grey).reshape(number, count - 1, 2, height, width).transpose(1, 2)
    return torch.cat([found, found[:, :, -1:]], 2)


@torch.no_grad()
def lucas_kanade(grey: Tensor) -> Tensor:
    """Return the displacement (N*(T-1), 2, H, W) in pixels, right and down, from each picture of (N, T, H, W) on."""
    pyramid = [grey]
    while min(pyramid[-1].shape[-2:]) >= 2 * SMALLEST:
        pyramid.append(F.avg_pool2d(pyramid[-1], 2))
    flow = grey.new_zeros(len(grey) * (grey.shape[1] - 1), 2, *pyramid[-1].shape[-2:])
    for level in reversed(pyramid):
        size = level.shape[-2:]
        before, after = (part.reshape(-1, 1, *size) for part in (level[:, :-1], level[:, 1:]))
        if flow.shape[-2:] != size:
            ratio = flow.new_tensor([size[1] / flow.shape[-1], size[0] / flow.shape[-2]])
            flow = F.interpolate(flow, size, mode="bilinear") * ratio.reshape(2, 1, 1)
        flow = _refined(before, after, flow)
    return flow


def _refined(before: Tensor, after: Tensor, flow: Tensor) -> Tensor:
    """Return the flow (N, 2, H, W) after some Gauss-Newton iterations.

    Each solves sum(g gᵀ) d = -sum(g (after(x + flow) - before(x))) over the window around x, g being the gradient of
    `before`.
    """
    padded = F.pad(before, (1, 1, 1, 1), mode="replicate")
    across = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    down = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    xx, xy, yy = (_window(one) for one in (across * across, across * down, down * down))
    xx, yy = xx + RIDGE, yy + RIDGE
    determinant = xx * yy - xy * xy
    for _ in range(ITERATIONS):
        change = _moved(after, flow) - before
        xt, yt = _window(across * change), _window(down * change)
        step = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], 1) / determinant
        flow = flow + step.clamp(-LARGEST, LARGEST)
    return flow


def _moved(picture: Tensor, flow: Tensor) -> Tensor:
    """Return `picture` (N, 1, H, W), read at each pixel's position plus its flow."""
    height, width = picture.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype).reshape(-1, 1)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    x, y = (2 * (columns + flow[:, 0]) + 1) / width - 1, (2 * (rows + flow[:, 1]) + 1) / height - 1
    return F.grid_sample(picture, torch.stack([x, y], -1), padding_mode="border", align_corners=False)


def _window(values: Tensor) -> Tensor:
    """Return the Gaussian mean of (N, C, H, W) around each pixel; at the edges, of the pixels that exist."""
    rows, columns = (_gaussian(side, values) for side in values.shape[-2:])
    across = values.reshape(-1, values.shape[-1]) @ columns.T  # one product for all rows is fastest
    return rows @ across.reshape(values.shape)


def _gaussian(side: int, like: Tensor) -> Tensor:
    """Return the matrix (side, side) of a Gaussian mean; its rows sum to 1."""
    at = torch.arange(side, device=like.device, dtype=like.dtype)
    weights = torch.exp(-0.5 * ((at[:, None] - at[None, :]) / WINDOW) ** 2)
    weights = torch.where(weights > TAIL, weights, 0)
    return weights / weights.sum(1, keepdim=True)
