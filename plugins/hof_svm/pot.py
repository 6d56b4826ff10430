"""Pooled time series (Ryoo, Rothrock and Matthies, CVPR 2015): each value of a frame's descriptor is a time series.

In each window of a temporal pyramid, a series is pooled by its sum, its maximum, and the number of its positive and of
its negative gradients.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from benchmark_core.specs import Value
from elrbench_plugins.hof_svm.descriptor import Descriptor
from elrbench_plugins.hof_svm.flow import flow_of, luma, real_frames
from elrbench_plugins.hof_svm.histograms import gradient, histograms, motion_votes, votes

OPERATORS = 4  # sum, maximum, positive and negative gradients
DESCRIPTORS = 2  # HOF, HOG


class Pot(Descriptor):
    """Map clips (N, 3, T, H, W) in [0, 1] to (N, num_features): descriptor, operator, window, value of the frame.

    groups: number of groups for the chi-square kernel: each descriptor under each operator.
    """

    groups = DESCRIPTORS * OPERATORS

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
        super().__init__(self.groups * (2**levels - 1) * cells * cells * bins, classes)
        self.bins, self.cells, self.levels = bins, cells, levels
        self.lag, self.least, self.still = lag, least, still

    def describe(self, clip: Tensor) -> Tensor:
        """Return the descriptor (num_features,) of a clip (3, T, H, W)."""
        grey = luma(clip[:, : real_frames(clip)])  # (T, H, W)
        flow = flow_of(grey)  # (n, 2, H, W)
        motion = motion_votes(flow, self.bins, self.still)[:2]  # without the bin of no motion
        edges = votes(gradient(grey[: len(flow)] / 255), self.bins)
        grid, cells = (len(flow), self.cells, self.cells), self.cells**2
        of_cells = (histograms([(0, vote) for vote in kind], self.bins, [grid]) * cells for kind in (motion, edges))
        series = [one.reshape(len(flow), -1) for one in of_cells]  # (n, cells * bins) each
        return torch.cat([pool_series(one, self.levels, self.lag, self.least) for one in series])


def pool_series(series: Tensor, levels: int, lag: int, least: float) -> Tensor:
    """Return (4 * (2^levels - 1) * D,): operator, window, value, for a series (n, D).

    Level l has 2^l windows of equal length. A gradient belongs to the window of its earlier frame. Counts and sums are
    divided by n, so that clips of different lengths compare.
    """
    n = len(series)
    change = series[lag:] - series[:-lag] if n > lag else series.new_zeros(0, series.shape[1])
    rises, falls = ((sign * change > least).to(series.dtype) for sign in (1, -1))
    pooled: list[list[Tensor]] = [[] for _ in range(OPERATORS)]
    for level in range(levels):
        for window in range(2**level):
            first = window * n // 2**level
            part = slice(first, max((window + 1) * n // 2**level, first + 1))
            pooled[0].append(series[part].sum(0) / n)
            pooled[1].append(series[part].amax(0))
            pooled[2].append(rises[part].sum(0) / n)
            pooled[3].append(falls[part].sum(0) / n)
    return torch.stack([torch.stack(windows) for windows in pooled]).flatten()


def pot(classes: int, options: Mapping[str, Value] | None = None) -> Pot:
    """Return the descriptor. Options: `bins`, `cells`, `levels`, `lag`, `least`, `still`."""
    return Pot(classes, **(options or {}))  # type: ignore[arg-type]
