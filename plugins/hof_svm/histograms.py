"""Orientation histograms: each pixel votes for the direction of its vector, weighted by the vector's length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Vote:
    """The bin that each pixel votes for, int64 (n, H, W), and the weight of its vote, (n, H, W)."""

    bin: Tensor
    weight: Tensor


def gradient(image: Tensor) -> Tensor:
    """Return central differences of images (n, H, W), one-sided at borders: right and down, (n, 2, H, W)."""
    return torch.stack(torch.gradient(image, dim=(2, 1)), 1)


def votes(vectors: Tensor, bins: int) -> tuple[Vote, Vote]:
    """Share the length of each vector (n, 2, H, W) linearly between the two nearest of `bins` angles.

    Bin b is at the angle 2 pi b / bins: bin 0 is to the right, bin bins/4 is down.
    """
    right, down = vectors[:, 0], vectors[:, 1]
    length = torch.hypot(right, down)
    angle = torch.atan2(down, right) * (bins / (2 * math.pi))  # in bins, from -bins/2 to bins/2
    lower = angle.floor()
    share = (angle - lower) * length
    number = lower.to(torch.int64)
    return Vote(_wrap(number, bins), length - share), Vote(_wrap(number + 1, bins), share)


def _wrap(number: Tensor, bins: int) -> Tensor:
    """Return numbers from -bins to bins as bins 0 to bins - 1; much faster than `%`."""
    number = torch.where(number < 0, number + bins, number)
    return torch.where(number >= bins, number - bins, number)


def motion_votes(flow: Tensor, bins: int, still: float) -> tuple[Vote, ...]:
    """Return the votes of flow (n, 2, H, W). A pixel slower than `still` votes for one more bin instead."""
    moves = torch.hypot(flow[:, 0], flow[:, 1]) >= still
    directions = (replace(vote, weight=vote.weight * moves) for vote in votes(flow, bins))
    return *directions, Vote(torch.full_like(moves, bins, dtype=torch.int64), (~moves).to(flow.dtype))


def histograms(ballot: Sequence[tuple[int, Vote]], bins: int, grids: Sequence[tuple[int, int, int]]) -> Tensor:
    """Sum votes in each cell of each grid (T, Y, X): (cells, bins), divided by the number of pixels of a frame.

    ballot: pairs of the first bin of a kind of histogram, and a vote for one of its bins. bins: of all kinds.
    Pixel y of H is in cell floor(y Y / H). Votes are counted once, on the smallest grid that all others join cells of.
    """
    shape = ballot[0][1].bin.shape  # (n, H, W)
    device = ballot[0][1].bin.device
    finest = [math.lcm(*sides) for sides in zip(*grids, strict=True)]
    frame, row, column = (
        torch.arange(length, device=device) * parts // length for length, parts in zip(shape, finest, strict=True)
    )
    cell = ((frame[:, None, None] * finest[1] + row[:, None]) * finest[2] + column) * bins  # (n, H, W)
    sums = torch.zeros(math.prod(finest) * bins, device=device)
    for first, vote in ballot:
        sums.scatter_add_(0, (cell + vote.bin).add_(first).flatten(), vote.weight.flatten())
    fine = sums.reshape(*finest, bins) / (shape[1] * shape[2])
    joined = []
    for grid in grids:
        sides = [side for parts, whole in zip(grid, finest, strict=True) for side in (parts, whole // parts)]
        joined.append(fine.reshape(*sides, bins).sum((1, 3, 5)).reshape(-1, bins))
    return torch.cat(joined)
