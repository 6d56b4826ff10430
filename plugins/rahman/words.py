"""The descriptor: histograms of visual words of HOG and HOF, and of LBP-TOP and BSIF textures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from elrbench_plugins.hof_svm.descriptor import Descriptor
from elrbench_plugins.hof_svm.flow import flow_of, luma, real_frames
from elrbench_plugins.hof_svm.histograms import gradient, motion_votes, votes
from elrbench_plugins.rahman.bsif import bsif_top
from elrbench_plugins.rahman.cuboids import CELLS, DIRECTIONS, cuboid_histograms, vote_volume
from elrbench_plugins.rahman.lbp_top import bins_of, lbp_top
from elrbench_plugins.rahman.points import dense_points, interest_points
from elrbench_plugins.svm_head.kernels import squared_distances

HOG = math.prod(CELLS) * DIRECTIONS  # 72
HOF = math.prod(CELLS) * (DIRECTIONS + 1)  # 90


class BagOfWords(Descriptor):
    """Map clips (N, 3, T, H, W) in [0, 1] to groups of histograms, each padded with zeros to the longest.

    Groups: words of HOG, words of HOF, LBP-TOP, BSIF. group_sizes: features of each, for the
    chi-square kernel.
    Buffers: `hog` (words, 72), `hof` (words, 90), `filters` (bits, side, side), random until the method learns them.
    Frames that only repeat the last one are left out.
    """

    hog: Tensor
    hof: Tensor
    filters: Tensor

    def __init__(
        self,
        classes: int,
        *,
        words: int = 4000,
        detector: str = "stip",
        points: int = 200,
        sigma: float = 2.0,
        tau: float = 1.5,
        side: int = 18,
        length: int = 8,
        still: float = 0.4,
        textures: str = "lbp-top+bsif",
        patterns: str = "all",
        radius: int = 2,
        radius_time: int = 2,
        bits: int = 8,
        filter_side: int = 7,
    ) -> None:
        uniform = patterns == "uniform"
        sizes = {"lbp-top": 3 * bins_of(uniform=uniform), "bsif": 3 * 2**bits}
        chosen = tuple(name for name in sizes if name in textures.split("+"))
        width = max(words, *(sizes[name] for name in chosen), 0)
        super().__init__((2 + len(chosen)) * width, classes)
        self.textures, self.width = chosen, width
        self.group_sizes = (width,) * (2 + len(chosen))
        self.dense, self.points, self.sigma, self.tau = detector == "dense", points, sigma, tau
        self.side, self.length, self.still = side, length, still
        self.uniform, self.radius, self.radius_time = uniform, radius, radius_time
        for name, shape in (("hog", (words, HOG)), ("hof", (words, HOF))):
            self.register_buffer(name, F.normalize(torch.rand(shape), dim=1))
        filters = torch.randn(bits, filter_side, filter_side)
        filters = filters - filters.mean((1, 2), keepdim=True)
        self.register_buffer("filters", filters / filters.flatten(1).norm(dim=1)[:, None, None])

    def grey(self, clip: Tensor) -> Tensor:
        """Return the grey levels (T, H, W) of the real frames of a clip (3, T, H, W)."""
        return luma(clip[:, : real_frames(clip)])

    def local(self, grey: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return HOG (M, 72) and HOF (M, 90) at each point, and which points are real, bool (M,)."""
        flow = flow_of(grey)  # (n, 2, H, W), n = T - 1
        shown = grey[: len(flow)]
        if self.dense:
            _, rows, columns = shown.shape
            centres = dense_points((len(shown), rows, columns), self.side, self.length).to(grey.device)
            real = torch.ones(len(centres), dtype=torch.bool, device=grey.device)
        else:
            centres, real = interest_points(shown, self.sigma, self.tau, self.points)
        edges = vote_volume(votes(gradient(shown / 255), DIRECTIONS), DIRECTIONS)
        motion = vote_volume(motion_votes(flow, DIRECTIONS, self.still), DIRECTIONS + 1)
        hog, hof = (cuboid_histograms(volume, centres, self.side, self.length) for volume in (edges, motion))
        return hog, hof, real

    def describe(self, clip: Tensor) -> Tensor:
        """Return the descriptor (num_features,) of a clip (3, T, H, W)."""
        grey = self.grey(clip)
        hog, hof, real = self.local(grey)
        found = [word_shares(each, words, real) for each, words in ((hog, self.hog), (hof, self.hof))]
        if "lbp-top" in self.textures:
            found.append(lbp_top(grey, self.radius, self.radius_time, uniform=self.uniform) / 3)
        if "bsif" in self.textures:
            found.append(bsif_top(grey, self.filters) / 3)
        return torch.cat([F.pad(each, (0, self.width - len(each))) for each in found])


def word_shares(descriptors: Tensor, words: Tensor, real: Tensor) -> Tensor:
    """Return the share of real descriptors (M, D) whose nearest word in (W, D) is each word: (W,); zeros for none."""
    nearest = squared_distances(descriptors, words).argmin(1)  # (M,)
    counts = torch.zeros(len(words), device=words.device)
    counts.scatter_add_(0, nearest, real.to(counts.dtype))
    return counts / real.sum().clamp_min(1)


def bag_of_words(classes: int, options: Mapping[str, Any] | None = None) -> BagOfWords:
    """Return the descriptor. Options: those of `BagOfWords`."""
    return BagOfWords(classes, **(options or {}))
