"""Pooled time series (Ryoo, Rothrock and Matthies, CVPR 2015): each value of a frame's descriptor is a time series.

In each window of a temporal pyramid, a series is pooled by its sum, its maximum, and the number of its positive and of
its negative gradients. What the paper leaves open is as in the authors' code `pooled_time_series`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark_core.specs import Value
from elrbench_plugins.hof_svm.descriptor import Descriptor
from elrbench_plugins.hof_svm.flow import flow_of, luma, real_frames

PARTS = (1, 2, 1)  # of a series: sum; positive and negative gradients; maximum. Each is one group of the kernel
DESCRIPTORS = 2  # HOF, HOG
# The authors' cells have 64x48 pixels. Flow is taken at every 16th of them, and grey differences are divided by 100.
FLOW_SCALE, GREY_SCALE = 64 * 48 / 16, 64 * 48 / 100
BORDER = 2  # pixels at each side without a grey gradient


class Pot(Descriptor):
    """Map clips (N, 3, T, H, W) in [0, 1] to (N, num_features): descriptor, operator, window, value of the frame.

    group_sizes: features of each group of the chi-square kernel.
    Buffer: `filters` (bins, 1, 3, 3), of the grey gradients.
    """

    filters: Tensor

    def __init__(
        self,
        classes: int,
        bins: int = 8,
        cells: int = 5,
        levels: int = 4,
        lag: int = 2,
        least: float = 0.01,
        still: float = 0.6,
    ) -> None:
        values = (2**levels - 1) * cells * cells * bins
        super().__init__(DESCRIPTORS * sum(PARTS) * values, classes)
        self.group_sizes = tuple(part * values for part in PARTS) * DESCRIPTORS
        self.register_buffer("filters", gradient_filters(bins))
        self.bins, self.cells, self.levels = bins, cells, levels
        self.lag, self.least, self.still = lag, least, still

    def describe(self, clip: Tensor) -> Tensor:
        """Return the descriptor (num_features,) of a clip (3, T, H, W)."""
        grey = luma(clip[:, : real_frames(clip)])  # (T, H, W)
        flow = flow_of(grey)[: len(grey) - 1]  # (T - 1, 2, H, W)
        motion = F.pad(cell_means(directions(flow, self.bins, self.still), self.cells), (0, 0, 1, 0))  # none at first
        edges = cell_means(absolute_gradients(grey, self.filters), self.cells)
        series = (motion * FLOW_SCALE, edges * GREY_SCALE)  # (T, cells * cells * bins) each
        return torch.cat([pool_series(one, self.levels, self.lag, self.least) for one in series])


def directions(flow: Tensor, bins: int, still: float) -> Tensor:
    """Return 1 in the bin of each vector's direction, 0 in others, (n, bins, H, W), for flow (n, 2, H, W).

    Bin b begins at the angle 2 pi b / bins - pi. Vectors shorter than `still` are in no bin.
    """
    right, down = flow[:, 0], flow[:, 1]
    angle = (torch.atan2(down, right) + math.pi) * (bins / (2 * math.pi))  # 0 to bins
    number = angle.floor().clamp(0, bins - 1)
    moves = torch.hypot(right, down) >= still
    each = torch.arange(bins, device=flow.device).reshape(-1, 1, 1)
    return ((number.unsqueeze(1) == each) & moves.unsqueeze(1)).to(flow.dtype)


def gradient_filters(bins: int) -> Tensor:
    """Return the filters f(p + d) - f(p - d) for unit steps d at the angles pi b / bins: (bins, 1, 3, 3).

    f is interpolated bilinearly.
    """
    filters = torch.zeros(bins, 1, 3, 3)
    for number in range(bins):
        angle = math.pi * number / bins
        for sign in (1, -1):
            right, down = sign * math.cos(angle), sign * math.sin(angle)
            for row in range(3):
                for column in range(3):
                    share = max(0.0, 1 - abs(column - 1 - right)) * max(0.0, 1 - abs(row - 1 - down))
                    filters[number, 0, row, column] += sign * share
    return filters


def absolute_gradients(grey: Tensor, filters: Tensor) -> Tensor:
    """Return the absolute values of filtered frames, (n, bins, H, W), for grey (n, H, W) and filters (bins, 1, 3, 3).

    `BORDER` pixels at each side are 0.
    """
    found = F.conv2d(grey.unsqueeze(1), filters).abs()  # without one pixel at each side
    rest = BORDER - 1
    return F.pad(found[..., rest:-rest, rest:-rest], (BORDER,) * 4)


def cell_means(values: Tensor, cells: int) -> Tensor:
    """Average values (n, bins, H, W) over cells x cells parts of the frame: (n, cells * cells * bins).

    Pixel y of H is in row floor(y cells / H) of cells.
    """
    n, bins, height, width = values.shape
    rows, columns = (_membership(length, cells).to(values) for length in (height, width))
    return torch.einsum("nbhw,yh,xw->nyxb", values, rows, columns).reshape(n, cells * cells * bins)


def _membership(length: int, cells: int) -> Tensor:
    """Return the weight of each pixel in the mean of each part, (cells, length)."""
    part = torch.arange(length) * cells // length
    inside = (part == torch.arange(cells).unsqueeze(1)).float()
    return inside / inside.sum(1, keepdim=True).clamp(min=1)


def pool_series(series: Tensor, levels: int, lag: int, least: float) -> Tensor:
    """Return (4 * (2^levels - 1) * D,) for a series (n, D): sums, positive and negative gradients, maxima.

    Each is window by window, value by value. Level l has 2^l windows, whose ends are rounded to frames. A gradient is
    the difference from the value `lag` frames earlier, and belongs to the window of its later frame.
    Counts and sums are divided by n, so that clips of different lengths compare.
    """
    n = len(series)
    change = torch.zeros_like(series)
    change[lag:] = series[lag:] - series[:-lag]
    rises, falls = ((sign * change > least).to(series.dtype) for sign in (1, -1))
    sums, up, down, most = [], [], [], []
    for level in range(levels):
        ends = [int(n * window / 2**level + 0.5) for window in range(2**level + 1)]
        for first, last in zip(ends, ends[1:], strict=False):
            sums.append(series[first:last].sum(0) / n)
            up.append(rises[first:last].sum(0) / n)
            down.append(falls[first:last].sum(0) / n)
            most.append(series[first:last].amax(0) if last > first else torch.zeros_like(series[0]))
    return torch.cat([*sums, *up, *down, *most])


def pot(classes: int, options: Mapping[str, Value] | None = None) -> Pot:
    """Return the descriptor. Options: `bins`, `cells`, `levels`, `lag`, `least`, `still`."""
    return Pot(classes, **(options or {}))  # type: ignore[arg-type]
