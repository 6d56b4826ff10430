"""Exact bootstrap of sums of integers: the distribution over all draws, computed with a Fourier transform."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Whole: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_TAIL = 28.0  # exp(-28) = 7e-13: probability that may fall outside the computed window
_NOISE = 1e-11  # rounding error of a cumulative probability
_STEP = 1e-3  # grid step for sums over folds, in standard deviations


def bootstrap_sum(each: Whole, confidence: float = 0.95) -> tuple[int, int]:
    """Return the percentile interval of the sum of n values drawn from `each` (n,) with replacement.

    low is the smallest t with P(sum <= t) >= (1 - confidence) / 2, and high is the largest t with P(sum >= t) >= the
    same probability. The interval of `-each` is therefore the mirror image.
    """
    sums, chance = _sum_distribution(each)
    low, high = _interval(chance, confidence)
    return int(sums[low]), int(sums[high])


def bootstrap_weighted(
    parts: Sequence[Whole], weights: Sequence[float], confidence: float = 0.95
) -> tuple[float, float]:
    """Return the percentile interval of a weighted sum over parts, with values drawn within each part.

    The weighted sums of the parts are on grids with different steps. Their distributions are moved to one fine grid,
    where each probability is split between the two nearest points so that means are kept, and convolved. The result is
    accurate to a thousandth of the sum's standard deviation.
    """
    spread = math.hypot(*(weight * _deviation(part) for part, weight in zip(parts, weights, strict=True)))
    mean = math.fsum(weight * int(part.sum()) for part, weight in zip(parts, weights, strict=True))
    if spread == 0:
        return mean, mean
    step = _STEP * spread
    bound = _bernstein_bound(
        max(weight * _max_deviation(part) for part, weight in zip(parts, weights, strict=True)), spread
    )
    size = _fft_size(bound / step)
    spectrum = np.ones(size // 2 + 1, dtype=np.complex128)
    for part, weight in zip(parts, weights, strict=True):
        sums, chance = _sum_distribution(part)
        position = weight * (sums - int(part.sum())) / step
        below = np.floor(position)
        grid = np.zeros(size)
        for indices, share in ((below, 1 - (position - below)), (below + 1, position - below)):
            grid += np.bincount(indices.astype(np.int64) % size, weights=chance * share, minlength=size)
        spectrum *= np.fft.rfft(grid)
    offsets = np.arange(size) - size // 2
    low, high = _interval(np.maximum(np.fft.irfft(spectrum, size)[offsets], 0.0), confidence)
    return mean + step * float(offsets[low]), mean + step * float(offsets[high])


def _sum_distribution(each: Whole) -> tuple[Whole, Floats]:
    """Return the possible sums of n draws and their probabilities: the n-fold convolution of one draw's distribution.

    p_n = F⁻¹(F(p)ⁿ), computed modulo a size that Bernstein's inequality shows to be large enough against wrap-around.
    """
    n, spread = each.size, _deviation(each)
    if spread == 0:
        return np.array([each.sum()], dtype=np.int64), np.ones(1)
    size = _fft_size(_bernstein_bound(_max_deviation(each), spread))
    values, counts = np.unique(each, return_counts=True)
    one = np.bincount(values % size, weights=counts / n, minlength=size)
    total = np.fft.irfft(np.fft.rfft(one) ** n, size)
    sums = int(each.sum()) - size // 2 + np.arange(size)
    return sums, np.maximum(total[sums % size], 0.0)


def _deviation(each: Whole) -> float:
    """Return the standard deviation of the sum of `each.size` draws."""
    return float(each.std()) * math.sqrt(each.size)


def _max_deviation(each: Whole) -> float:
    """Return the largest distance of a value from the mean."""
    return float(np.abs(each - each.mean()).max())


def _bernstein_bound(largest: float, spread: float) -> float:
    """Return t with P(|sum - mean| > t) <= exp(-t² / 2 (spread² + largest t / 3)) <= exp(-_TAIL)."""
    slope = _TAIL * largest / 3
    return slope + math.sqrt(slope**2 + 2 * _TAIL * spread**2)


def _fft_size(bound: float) -> int:
    """Return a power of two that holds the sums on both sides of the mean."""
    return 1 << max(4, math.ceil(math.log2(2 * bound + 4)))


def _interval(chance: Floats, confidence: float) -> tuple[int, int]:
    """Return the indices of the two ends."""
    tail = (1 - confidence) / 2 - _NOISE
    low = int(np.argmax(np.cumsum(chance) >= tail))
    high = chance.size - 1 - int(np.argmax(np.cumsum(chance[::-1]) >= tail))
    return low, high
