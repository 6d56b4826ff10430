"""The bootstrap of sums of whole numbers, without drawing: all draws at once, by a Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Whole: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_TAIL = 28.0  # exp(-28) = 7e-13: how much of a distribution may lie outside of the window that is looked at
_NOISE = 1e-11  # what rounding may do to a cumulated probability
_STEP = 1e-3  # of a standard deviation: the grid on which folds' sums are added


def bootstrap_sum(each: Whole, confidence: float = 0.95) -> tuple[int, int]:
    """The percentile interval of Σ each[J_i], J_1 … J_n drawn from `each` (n,) with replacement: whole numbers.

    low: the smallest t with P(Σ <= t) >= (1 - confidence) / 2; high: the largest with P(Σ >= t) no less, so that the
    interval of -each is the mirror image.
    """
    sums, chance = _drawn(each)
    low, high = _interval(chance, confidence)
    return int(sums[low]), int(sums[high])


def bootstrap_weighted(
    parts: Sequence[Whole], weights: Sequence[float], confidence: float = 0.95
) -> tuple[float, float]:
    """The same of Σ_f weights[f] Σ_i parts[f][J_i], drawn inside each part: to a thousandth of its standard deviation.

    Parts' sums lie on lattices of unlike widths; on one fine grid (a chance is shared by the two nearest points, so
    that means stay) their distributions are convolved.
    """
    spread = math.hypot(*(weight * _deviation(part) for part, weight in zip(parts, weights, strict=True)))
    mean = math.fsum(weight * int(part.sum()) for part, weight in zip(parts, weights, strict=True))
    if spread == 0:
        return mean, mean
    step = _STEP * spread
    reach = _reach(max(weight * _farthest(part) for part, weight in zip(parts, weights, strict=True)), spread)
    circle = _circle(reach / step)
    wave = np.ones(circle // 2 + 1, dtype=np.complex128)
    for part, weight in zip(parts, weights, strict=True):
        sums, chance = _drawn(part)
        at = weight * (sums - int(part.sum())) / step
        below = np.floor(at)
        grid = np.zeros(circle)
        for places, share in ((below, 1 - (at - below)), (below + 1, at - below)):
            grid += np.bincount(places.astype(np.int64) % circle, weights=chance * share, minlength=circle)
        wave *= np.fft.rfft(grid)
    places = np.arange(circle) - circle // 2
    low, high = _interval(np.maximum(np.fft.irfft(wave, circle)[places], 0.0), confidence)
    return mean + step * float(places[low]), mean + step * float(places[high])


def _drawn(each: Whole) -> tuple[Whole, Floats]:
    """The sums of n draws, and the chance of each: the n-th power, by convolution, of the chances of one draw.

    p = F⁻¹(F(p)ⁿ) on a circle of whole numbers that is wide enough, by Bernstein's inequality, not to meet itself.
    """
    n, spread = each.size, _deviation(each)
    if spread == 0:
        return np.array([each.sum()], dtype=np.int64), np.ones(1)
    circle = _circle(_reach(_farthest(each), spread))
    values, counts = np.unique(each, return_counts=True)
    one = np.bincount(values % circle, weights=counts / n, minlength=circle)
    total = np.fft.irfft(np.fft.rfft(one) ** n, circle)
    sums = int(each.sum()) - circle // 2 + np.arange(circle)
    return sums, np.maximum(total[sums % circle], 0.0)


def _deviation(each: Whole) -> float:
    """Of the sum of as many draws as there are values."""
    return float(each.std()) * math.sqrt(each.size)


def _farthest(each: Whole) -> float:
    """The largest distance of a draw from the mean."""
    return float(np.abs(each - each.mean()).max())


def _reach(farthest: float, spread: float) -> float:
    """How far from its mean a sum may come: P(beyond) <= exp(-t² / 2 (spread² + farthest t / 3)) <= exp(-_TAIL)."""
    slope = _TAIL * farthest / 3
    return slope + math.sqrt(slope**2 + 2 * _TAIL * spread**2)


def _circle(reach: float) -> int:
    """A power of two with room for both sides."""
    return 1 << max(4, math.ceil(math.log2(2 * reach + 4)))


def _interval(chance: Floats, confidence: float) -> tuple[int, int]:
    """Places of the two ends."""
    tail = (1 - confidence) / 2 - _NOISE
    low = int(np.argmax(np.cumsum(chance) >= tail))
    high = chance.size - 1 - int(np.argmax(np.cumsum(chance[::-1]) >= tail))
    return low, high
