"""Intervals and tests over test clips. They cover the draw of clips; the spread over seeds is `mean_std`'s."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import stats

Floats: TypeAlias = npt.NDArray[np.float64]
Hits: TypeAlias = npt.NDArray[np.bool_]
REPLICATES = 1000
PAIRED_REPLICATES = 10_000  # these cost nothing, see `paired_bootstrap`
_CHUNK = 4_000_000  # weights held at a time: 32 MB


def wilson(rate: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion seen on `n` clips; (0, 1) of none.

    `rate` may be a mean over seeds: `n` stays the number of clips, for seeds add no clips.
    """
    if n == 0:
        return 0.0, 1.0
    z = float(stats.norm.ppf(0.5 + confidence / 2))
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def resamples(n: int, replicates: int = REPLICATES, seed: int = 0) -> Iterator[Floats]:
    """How often each of `n` clips is drawn in each bootstrap replicate: float (r, n) a chunk, rows summing to n."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(n, 1))
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        yield rng.multinomial(n, np.full(n, 1 / n), size=rows).astype(np.float64)


def percentile(draws: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """The percentile interval of bootstrap draws (r,)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap(
    statistic: Callable[[Floats], Floats], n: int, replicates: int = REPLICATES, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval over clips of `statistic(weights (r, n)) -> (r,)`."""
    return percentile(np.concatenate([statistic(weights) for weights in resamples(n, replicates, seed)]))


@dataclass(frozen=True)
class Difference:
    """A paired difference a − b of means over clips, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int  # clips

    @property
    def parts(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(
    a: npt.NDArray[Any], b: npt.NDArray[Any], replicates: int = PAIRED_REPLICATES, seed: int = 0
) -> Difference:
    """Difference of means of two hit vectors over the same clips: (N,), or (S, N) for seeds that share each drawn clip.

    A clip matters only by its difference, so drawing clips is drawing how often each distinct difference occurs:
    a multinomial over 2S + 1 values instead of N clips, the same distribution at no cost in N.
    """
    if a.shape != b.shape or a.shape[-1] == 0:
        raise ValueError(f"paired vectors must have one shape and at least one clip, not {a.shape} and {b.shape}")
    each = np.atleast_2d(a.astype(np.float64) - b.astype(np.float64)).mean(axis=0)  # (N,)
    values, counts = np.unique(each, return_counts=True)
    n = each.size
    draws = np.random.default_rng(seed).multinomial(n, counts / n, size=replicates) @ values / n
    return Difference(float(each.mean()), *percentile(draws), n)


def mcnemar(a: Hits, b: Hits) -> float:
    """Two-sided exact p of McNemar's test: among clips where just one is right, is either right more often?"""
    only_a = int(np.sum(a & ~b))
    only_b = int(np.sum(b & ~a))
    if only_a + only_b == 0:
        return 1.0
    return float(stats.binomtest(only_a, only_a + only_b, 0.5).pvalue)


def smallest_difference(n: int, rate: float, *, discordant: float | None = None, power: float = 0.8) -> float:
    """The smallest difference of two accuracies near `rate` that `n` clips show at the 5 % level with this power.

    discordant: share of clips on which just one of the two is right, for a paired test; None for unpaired scores.
    Normal approximation: (z_0.975 + z_power) sqrt(variance / n), variance 2 p (1 − p) unpaired, `discordant` paired.
    """
    variance = 2 * rate * (1 - rate) if discordant is None else discordant
    return float((stats.norm.ppf(0.975) + stats.norm.ppf(power)) * math.sqrt(variance / n))


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n − 1); None of a single value, which has no spread to show."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
