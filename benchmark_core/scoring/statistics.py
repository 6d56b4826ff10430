"""Intervals and tests over test clips. They cover the draw of clips; the spread over seeds is `mean_std`'s."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.exact_bootstrap import bootstrap_sum, bootstrap_weighted

Floats: TypeAlias = npt.NDArray[np.float64]
Hits: TypeAlias = npt.NDArray[np.bool_]
REPLICATES = 1000
_CHUNK = 4_000_000  # weights held at a time: 32 MB


def _normal(probability: float) -> float:
    """The normal quantile. Of 0.975 the number that published records' intervals were made with, to the last digit."""
    return 1.959963984540054 if probability == 0.975 else NormalDist().inv_cdf(probability)


def wilson(rate: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval (1927) of a proportion seen on `n` clips; (0, 1) of none.

    `rate` may be a mean over seeds: `n` stays the number of clips, for seeds add no clips.
    """
    if n == 0:
        return 0.0, 1.0
    z = _normal(0.5 + confidence / 2)
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


def paired_bootstrap(a: npt.NDArray[Any], b: npt.NDArray[Any], folds: Sequence[int] = ()) -> Difference:
    """Difference of means of two hit vectors over the same clips: (N,), or (S, N) for seeds that share each drawn clip.

    The interval is that of the bootstrap over clips with every draw counted, not of a sample of draws: a clip matters
    only by its difference summed over seeds, a whole number. folds: how many of the clips, in order, are of each fold,
    where folds of unequal sizes count alike; clips are then drawn inside each.
    """
    if a.shape != b.shape or a.shape[-1] == 0:
        raise ValueError(f"paired vectors must have one shape and at least one clip, not {a.shape} and {b.shape}")
    ours, theirs = np.atleast_2d(a).astype(np.int64), np.atleast_2d(b).astype(np.int64)
    each = (ours - theirs).sum(axis=0)  # (N,)
    seeds = len(ours)
    if len(folds) < 2:
        low, high = bootstrap_sum(each)
        share = seeds * each.size
        return Difference(int(each.sum()) / share, low / share, high / share, each.size)
    parts = np.split(each, np.cumsum(folds)[:-1])
    weights = [1 / (seeds * part.size * len(folds)) for part in parts]
    value = math.fsum(weight * int(part.sum()) for weight, part in zip(weights, parts, strict=True))
    return Difference(value, *bootstrap_weighted(parts, weights), each.size)


def mcnemar(a: Hits, b: Hits) -> float:
    """Two-sided exact p of McNemar's test: among clips where just one is right, is either right more often?"""
    only_a = int(np.sum(a & ~b))
    only_b = int(np.sum(b & ~a))
    n, least = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        return 1.0
    return min(1.0, 2 * float(coin_sums(n)[: least + 1].sum()))


def coin_sums(n: int) -> Floats:
    """P(k heads of `n` fair coins), (n + 1,): each from the one before, C(n, k + 1) / C(n, k) = (n - k) / (k + 1)."""
    k = np.arange(n)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - k) / (k + 1)))]) - n * math.log(2)
    return np.exp(logs)


ALPHA, POWER = 0.05, 0.8  # of the smallest difference that a test set shows


def smallest_difference(n: int, rate: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest difference of two accuracies near `rate`, of different clips, `n` each, that a test finds.

    Two-sided, at level `alpha` (5 %), with probability `power` (80 %). Normal approximation:
    (z_{1-alpha/2} + z_power) sqrt(2 p (1 - p) / n) (Fleiss, Statistical Methods for Rates and Proportions).
    """
    return smallest_shown(math.sqrt(2 * rate * (1 - rate) / n), alpha=alpha, power=power)


def smallest_paired_difference(
    n: float, discordant: float, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """The smallest difference d of two accuracies on the same `n` clips that a paired test finds; None where no
    difference that large can be, so few are the clips on which the two differ.

    Two-sided, at level `alpha` (5 %), with probability `power` (80 %). discordant: the share psi of clips on which just
    one of the two is right, as observed; of means over seeds, the mean square of a clip's difference. d solves

        d sqrt(n) = z_{1-alpha/2} sqrt(psi) + z_power sqrt(psi - d^2),     d <= psi

    Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics 43 (1987).
    """
    level, reach = _normal(1 - alpha / 2), _normal(power)
    d = math.sqrt(discordant) * (level * math.sqrt(n) + reach * math.sqrt(max(0.0, n + reach**2 - level**2)))
    d /= n + reach**2
    return d if 0 < d <= discordant else None


def smallest_shown(error: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest difference of a statistic with standard error `error` that a two-sided test at level `alpha` (5 %)
    finds with probability `power` (80 %): (z_{1-alpha/2} + z_power) error. Normal approximation.
    """
    return (_normal(1 - alpha / 2) + _normal(power)) * error


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Mean and sample standard deviation (n − 1); None of a single value, which has no spread to show."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
