"""Self-supervised tasks for the student's backbone: the order of segments, the speed, and hidden blocks.

Each task changes a batch of views and asks for what it changed. Its head, on the backbone's last map, is dropped.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark_core.clips.batch import ALL, Part
from elrbench_plugins.distillation.map_loss import resized

SEGMENTS = 3
ORDERS = tuple(itertools.permutations(range(SEGMENTS)))
SPEEDS = (1, 2, 3)


class Task(Protocol):
    """A pretext task."""

    head: nn.Module

    def change(self, view: Tensor, rng: np.random.Generator, part: Part = ALL) -> tuple[Tensor, Tensor]:
        """Return the changed view, (N, C, T, h, w) as the view, and what the loss needs to know about the change.

        part: which clips of the batch the view is of; random numbers are drawn for all of them.
        """

    def loss(self, last: Tensor, view: Tensor, change: Tensor) -> Tensor:
        """Return a scalar. last: the last map of the changed view. view: before the change."""


class Order(nn.Module):
    """Recognize which of 6 orders the three segments of a view are in.

    Xu et al., Self-supervised Spatiotemporal Learning via Video Clip Order Prediction, CVPR 2019: their clips pass the
    network one by one; here they are one view.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels, len(ORDERS))

    def change(self, view: Tensor, rng: np.random.Generator, part: Part = ALL) -> tuple[Tensor, Tensor]:
        """See `Task.change`. The frames after the last whole segment stay in place."""
        drawn = part.of(rng.integers(len(ORDERS), size=part.rows(len(view))))
        orders = torch.from_numpy(drawn).to(view.device)
        frames = view.shape[2]
        numbers = torch.tensor([frame_order(order, frames) for order in ORDERS], device=view.device)[orders]  # (N, T)
        index = numbers.reshape(len(view), 1, frames, 1, 1).expand_as(view)
        return view.gather(2, index), orders

    def loss(self, last: Tensor, view: Tensor, change: Tensor) -> Tensor:
        """See `Task.loss`."""
        return F.cross_entropy(self.head(last.flatten(2).mean(2)).float(), change)


def frame_order(order: tuple[int, ...], frames: int) -> list[int]:
    """Return the numbers of a view's frames with its segments in the given order."""
    length = frames // len(order)
    moved = [segment * length + frame for segment in order for frame in range(length)]
    return [*moved, *range(len(moved), frames)]


class Speed(nn.Module):
    """Recognize whether every frame, every second or every third one is shown.

    Benaim et al., SpeedNet, CVPR 2020; Wang et al., Self-supervised Video Representation Learning by Pace Prediction,
    ECCV 2020. A third of the frames is taken at each speed, and interpolated to the length of the view in the same way.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels, len(SPEEDS))

    def change(self, view: Tensor, rng: np.random.Generator, part: Part = ALL) -> tuple[Tensor, Tensor]:
        """See `Task.change`."""
        count, frames = len(view), view.shape[2]
        kinds = rng.integers(len(SPEEDS), size=part.rows(count))
        length = max(2, frames // max(SPEEDS))
        numbers = np.stack([paced(frames, length, SPEEDS[kind], float(rng.random())) for kind in kinds])
        kinds, numbers = part.of(kinds), part.of(numbers)
        index = torch.from_numpy(numbers).to(view.device).reshape(count, 1, length, 1, 1)
        seen = view.gather(2, index.expand(-1, view.shape[1], -1, *view.shape[3:]))
        stretched = resized(seen, (frames, view.shape[3], view.shape[4]))
        return stretched, torch.from_numpy(kinds).to(view.device)

    def loss(self, last: Tensor, view: Tensor, change: Tensor) -> Tensor:
        """See `Task.loss`."""
        return F.cross_entropy(self.head(last.flatten(2).mean(2)).float(), change)


def paced(frames: int, length: int, speed: int, start: float) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the numbers of `length` frames of a view, `speed` apart. start: 0 to 1, the place of the first."""
    first = int(start * max(1, frames - (length - 1) * speed))
    return np.minimum(first + speed * np.arange(length, dtype=np.int64), frames - 1)


class Masked(nn.Module):
    """Reconstruct hidden space-time blocks.

    Masks over space and time: Tong et al., VideoMAE, NeurIPS 2022; Feichtenhofer et al., Masked Autoencoders As
    Spatiotemporal Learners, NeurIPS 2022. A convolutional network cannot leave blocks out, so they have the mean colour
    of the view, as in Pathak et al., Context Encoders, CVPR 2016. The loss counts hidden pixels alone.

    last: (C, T', h', w') of the last map. view: (C, T, h, w) of the view. share, frames, pixels: see the options
    `masked_...`. Each cell of the map predicts the pixels of its own part of the view.
    """

    def __init__(self, last: Sequence[int], view: Sequence[int], *, share: float, frames: int, pixels: int) -> None:
        super().__init__()
        self.factors = [-(-ours // theirs) for ours, theirs in zip(view[1:], last[1:], strict=True)]
        self.head = nn.Conv3d(last[0], view[0] * math.prod(self.factors), 1)
        self.share, self.frames, self.pixels = share, frames, pixels

    def change(self, view: Tensor, rng: np.random.Generator, part: Part = ALL) -> tuple[Tensor, Tensor]:
        """See `Task.change`."""
        count, _, frames, height, width = view.shape
        sides = (part.rows(count), frames, height, width)
        drawn = part.of(blocks(rng, sides, self.share, self.frames, self.pixels))
        hidden = torch.from_numpy(drawn).to(view.device).unsqueeze(1)  # (N, 1, T, h, w)
        return torch.where(hidden, view.mean((2, 3, 4), keepdim=True), view), hidden

    def loss(self, last: Tensor, view: Tensor, change: Tensor) -> Tensor:
        """See `Task.loss`."""
        time, rows, columns = self.factors
        cells = self.head(last).float().unflatten(1, (-1, time, rows, columns))  # (N, C, ft, fh, fw, T', h', w')
        seen = cells.permute(0, 1, 5, 2, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        seen = seen[:, :, : view.shape[2], : view.shape[3], : view.shape[4]]
        wrong = (seen - view).square().mean(1, keepdim=True)  # (N, 1, T, h, w)
        return (wrong * change).sum() / change.sum().clamp(min=1)


def blocks(
    rng: np.random.Generator, shape: tuple[int, int, int, int], share: float, frames: int, pixels: int
) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return a mask (N, T, h, w) of which blocks are hidden: in each view `share` of them, rounded, at least one."""
    count, *sides = shape
    cells = [-(-side // step) for side, step in zip(sides, (frames, pixels, pixels), strict=True)]
    total = int(np.prod(cells))
    ranks = rng.random((count, total)).argsort(1).argsort(1)
    hidden = (ranks < max(1, round(share * total))).reshape(count, *cells)
    for axis, step in enumerate((frames, pixels, pixels), start=1):
        hidden = hidden.repeat(step, axis=axis)
    return hidden[:, : sides[0], : sides[1], : sides[2]]
