"""Compare stage maps of networks that differ in size and frames: resize both to a common size.

A stage map of an image network is (N, C, h, w), that of a video network (N, C, T, h, w). N is B clips times K
intervals, in order of time. A *volume* is (B, C, K*T, h, w): all positions of a clip in time, whatever the network
calls a frame or an interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from torch import Tensor
from torch.nn.functional import adaptive_avg_pool3d

S = TypeVar("S")


def volume(maps: Tensor, clips: int) -> Tensor:
    """Return stage maps (B*K, C, [T,] h, w) of `clips` clips as volumes (B, C, K*T, h, w)."""
    if maps.ndim == 4:
        maps = maps.unsqueeze(2)
    channels, frames, height, width = maps.shape[1:]
    apart = maps.reshape(clips, -1, channels, frames, height, width).transpose(1, 2)  # (B, C, K, T, h, w)
    return apart.reshape(clips, channels, -1, height, width)


def resized(volumes: Tensor, shape: Sequence[int]) -> Tensor:
    """Return volumes (B, C, time, h, w) as (B, C, *shape) by area averages (adaptive average pooling).

    Position i of n averages the positions between the fractions i/n and (i + 1)/n of an axis, including those that are
    only partly between them. An axis that is shorter than in `shape` repeats its positions.
    """
    return volumes if volumes.shape[2:] == tuple(shape) else adaptive_avg_pool3d(volumes, tuple(shape))


def common_shape(one: Tensor, other: Tensor) -> tuple[int, ...]:
    """Return the smaller size of two volumes along each axis (time, h, w), so that neither is enlarged."""
    return tuple(min(pair) for pair in zip(one.shape[2:], other.shape[2:], strict=True))


def pair_by_depth(one: Sequence[S], other: Sequence[S]) -> list[tuple[S, S]]:
    """Pair the stages of two networks by relative depth; the last with the last.

    Each stage of the network with fewer stages gets a stage of the other: stage i of n the one that is nearest to the
    fraction i/n of its depth, the deeper of two. Stages 1, 2 and 3 of three go with 1, 3 and 4 of four.
    """
    fewer = min(len(one), len(other))

    def chosen(stages: Sequence[S]) -> list[S]:
        return [stages[(2 * number * len(stages) + fewer) // (2 * fewer) - 1] for number in range(1, fewer + 1)]

    return list(zip(chosen(one), chosen(other), strict=True))
