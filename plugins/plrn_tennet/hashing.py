"""TenneT's descriptor: responses of two stages of filters, hashed to codes whose histograms are taken in blocks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.plrn_tennet.patches import FilterBank
from elrbench_plugins.svm_head.precision import full_precision

GREY = (0.299, 0.587, 0.114)  # BT.601
PLANE = 32  # rows and columns of the codes
ZERO = 1e-5  # of white: rounding errors of a flat patch are no positive response


def grey_of(clips: Tensor) -> Tensor:
    """Return BT.601 luma (N, T, H, W) of clips (N, 3, T, H, W), in their range."""
    weights = torch.tensor(GREY, dtype=clips.dtype, device=clips.device).reshape(3, 1, 1, 1)
    return (clips * weights).sum(1)


def hashed(responses: Tensor) -> Tensor:
    """Return codes int64 (N, H, W) of responses (N, n, H, W): the sum of 2^i over positive responses i."""
    powers = 2 ** torch.arange(responses.shape[1], device=responses.device)
    return ((responses > ZERO) * powers[:, None, None]).sum(1)


def step_of(block: int, overlap: float) -> int:
    """Return the pixels between neighbouring blocks, round((1 - overlap) block) with halves rounded up; at least 1."""
    return max(1, math.floor((1 - overlap) * block + 0.5))


def block_histograms(codes: Tensor, bins: int, block: int, step: int) -> Tensor:
    """Return how often each code is in each block, (N, bins, rows, columns), for codes int64 (N, H, W) below `bins`.

    Blocks of `block` x `block` begin every `step` pixels; those that reach beyond the map are left out.
    """
    cut = codes.unfold(1, block, step).unfold(2, block, step)  # (N, rows, columns, block, block)
    flat = cut.flatten(3)
    counts = torch.zeros(*flat.shape[:3], bins, device=codes.device)
    counts = counts.scatter_add(3, flat, torch.ones_like(flat, dtype=counts.dtype))
    return counts.movedim(3, 1)


class BlockMean(nn.Module):
    """Map histograms of all blocks, (…, F * blocks), to their mean, (…, F)."""

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.blocks = blocks

    def forward(self, features: Tensor) -> Tensor:
        """Return the mean."""
        return features.unflatten(-1, (-1, self.blocks)).mean(-1)


class PcaHash(nn.Module):
    """Map clips (N, 3, T, H, W) in [0, 1] to histograms (N, n1 2^n2, 1, rows, columns), the only stage map.

    n1, n2: `filters1`, `filters2`. Each of the n1 maps of the first stage has codes of n2 bits. block, overlap, mean:
    see the options. num_features: n1 2^n2 rows columns; the classifier for other methods averages over blocks first.
    """

    def __init__(
        self,
        classes: int,
        *,
        filters1: int = 10,
        filters2: int = 10,
        block: int = 5,
        overlap: float = 0.5,
        mean: str = "responses",
    ) -> None:
        super().__init__()
        self.bank = FilterBank(filters1, filters2)
        self.block, self.step, self.mean = block, step_of(block, overlap), mean
        self.bins, blocks = 2**filters2, ((PLANE - block) // self.step + 1) ** 2
        self.num_features = filters1 * self.bins * blocks
        self.classifier = nn.Sequential(BlockMean(blocks), nn.Linear(filters1 * self.bins, classes))

    def describe(self, clips: Tensor) -> Tensor:
        """Return the histograms of clips."""
        first = self.bank.respond(grey_of(clips), "first")  # (N, n1, T, H, W)
        number, maps, frames = first.shape[:3]
        second = self.bank.respond(first.flatten(0, 1), "second")  # (N*n1, n2, T, H, W)
        at_once = second.mean(2, keepdim=True) if self.mean == "responses" else second
        pictures = at_once.transpose(1, 2).flatten(0, 1)  # (N*n1*t, n2, H, W), t = 1 or T
        if pictures.shape[2:] != (PLANE, PLANE):
            pictures = F.adaptive_avg_pool2d(pictures, PLANE)
        counts = block_histograms(hashed(pictures), self.bins, self.block, self.step)
        counts = counts.unflatten(0, (number, maps, 1 if self.mean == "responses" else frames)).mean(2)
        return counts.flatten(1, 2).unsqueeze(2)  # (N, n1*bins, 1, rows, columns)

    def forward_features(self, clips: Tensor) -> list[Tensor]:
        """Return [histograms]."""
        with full_precision(clips.device):
            return [self.describe(clips.float())]

    def pool(self, last: Tensor) -> Tensor:
        """Return the histograms of all blocks, (N, num_features): block after block for each map and code."""
        return last.flatten(1)

    def get_classifier(self) -> nn.Module:
        """Return the mean over blocks and the linear layer that methods other than `tennet` train."""
        return self.classifier

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (N, classes)."""
        logits: Tensor = self.classifier(self.pool(self.forward_features(clips)[-1]))
        return logits


def pca_hash(classes: int, options: Mapping[str, Any] | None = None) -> PcaHash:
    """Return the descriptor. Options: those of `PcaHash`."""
    return PcaHash(classes, **(options or {}))
