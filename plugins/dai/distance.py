"""Distances between series: a cost for each pair of frames, added along an alignment of both series.

Dynamic time warping: Sakoe and Chiba, Dynamic Programming Algorithm Optimization for Spoken Word Recognition, IEEE
Transactions on ASSP 26(1), 1978, with the band |i - j| <= reach and equal weights of all steps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.svm_head.kernels import squared_distances

AT_ONCE = 2**22  # numbers of a chunk of references for one series; bounds memory
TINY = 1e-12


def distances(one: Tensor, other: Tensor, *, distance: str, alignment: str, reach: int) -> Tensor:
    """Return the distance of each series (B, T, P) to each of (N, T, P): (B, N). See the options of `dai`."""
    if distance == "correlation":
        one, other = unit_frames(one), unit_frames(other)
    frames, pixels = one.shape[1:]
    step = max(1, AT_ONCE // (frames * max(frames, pixels)))  # without B, which an exported file does not fix
    found = []
    for first in range(0, len(other), step):
        part = other[first : first + step]
        if alignment == "dtw":
            found.append(warped(costs(one, part, distance), reach))
        elif alignment == "shift":
            found.append(shifted(one, part, distance, reach))
        else:
            found.append(straight(one, part, distance))
    total = torch.cat(found, 1)
    return total.sqrt() if distance == "euclidean" else total


def unit_frames(series: Tensor) -> Tensor:
    """Subtract the mean of each frame's pixels and scale them to length 1: products are correlations. (B, T, P)."""
    centred = series - series.mean(-1, keepdim=True)
    return centred / centred.norm(dim=-1, keepdim=True).clamp_min(TINY)


def straight(one: Tensor, other: Tensor, distance: str) -> Tensor:
    """Return the sum of costs of equal frame numbers, (B, N)."""
    a, b = one.flatten(1), other.flatten(1)
    if distance == "euclidean":
        return squared_distances(a, b)
    if distance == "correlation":
        return one.shape[1] - a @ b.T
    return (a.unsqueeze(1) - b.unsqueeze(0)).abs().sum(-1)


def shifted(one: Tensor, other: Tensor, distance: str, reach: int) -> Tensor:
    """Return the smallest mean cost over shifts by up to `reach` frames, times the number of frames: (B, N)."""
    frames = one.shape[1]
    tried = []
    for shift in range(-reach, reach + 1):
        length = frames - abs(shift)
        a, b = one[:, max(shift, 0) :][:, :length], other[:, max(-shift, 0) :][:, :length]
        tried.append(straight(a, b, distance) * (frames / length))
    return torch.stack(tried).amin(0)


def costs(one: Tensor, other: Tensor, distance: str) -> Tensor:
    """Return the cost of each pair of frames, (B, N, T, T): of frame i of `one` and frame j of `other`."""
    (clips, frames, pixels), number = one.shape, len(other)
    if distance == "city-block":
        each = [(one[:, i, None, None] - other).abs().sum(-1) for i in range(frames)]  # (B, N, T)
        return torch.stack(each, 2)
    a, b = one.reshape(-1, pixels), other.reshape(-1, pixels)
    pairs = squared_distances(a, b) if distance == "euclidean" else 1 - a @ b.T
    return pairs.reshape(clips, frames, number, frames).transpose(1, 2)


def warped(pairs: Tensor, reach: int) -> Tensor:
    """Return the smallest sum of costs (B, N, T, T) along a path from (0, 0) to (T-1, T-1): (B, N).

    D(i, j) = c(i, j) + min(D(i-1, j), D(i, j-1), D(i-1, j-1)), for |i - j| <= reach.
    """
    frames = pairs.shape[2]
    before: list[Tensor | None] = [None] * frames
    for i in range(frames):
        row: list[Tensor | None] = [None] * frames
        for j in range(max(0, i - reach), min(frames, i + reach + 1)):
            left, corner = (row[j - 1], before[j - 1]) if j else (None, None)
            ways = [way for way in (before[j], left, corner) if way is not None]
            row[j] = pairs[:, :, i, j] + (torch.stack(ways).amin(0) if ways else 0)
        before = row
    last = before[-1]
    assert last is not None
    return last
