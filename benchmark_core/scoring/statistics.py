"""Intervals and tests over test clips. They cover the choice of clips; `mean_std` gives the spread over seeds."""

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
    """Return the normal quantile. The value for 0.975 is fixed, because published records were made with it."""
    return 1.959963984540054 if probability == 0.975 else NormalDist().inv_cdf(probability)


def wilson(rate: float, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval (1927) of a proportion over `n` clips; (0, 1) for no clips.

    `rate` may be a mean over seeds. `n` is still the number of clips, because seeds do not add clips.
    """
    if n == 0:
        return 0.0, 1.0
    z = _normal(0.5 + confidence / 2)
    centre = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def resamples(n: int, replicates: int = REPLICATES, seed: int = 0) -> Iterator[Floats]:
    """Yield how often each of `n` clips is drawn in each replicate: float (r, n) per chunk, rows sum to n."""
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(n, 1))
    for start in range(0, replicates, step):
        rows = min(step, replicates - start)
        yield rng.multinomial(n, np.full(n, 1 / n), size=rows).astype(np.float64)


def percentile(draws: Floats, confidence: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws (r,)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap(
    statistic: Callable[[Floats], Floats], n: int, replicates: int = REPLICATES, seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % percentile interval over clips of `statistic(weights (r, n)) -> (r,)`."""
    return percentile(np.concatenate([statistic(weights) for weights in resamples(n, replicates, seed)]))


@dataclass(frozen=True)
class Difference:
    """A paired difference a − b of means over clips, with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int  # clips

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def paired_bootstrap(a: npt.NDArray[Any], b: npt.NDArray[Any], folds: Sequence[int] = ()) -> Difference:
    """Return the difference of the means of two hit vectors over the same clips.

    The interval is the exact bootstrap over clips: all draws are counted, none is sampled. This is possible because
    only a clip's difference summed over seeds matters, which is an integer.

    Args:
        a, b: hits, (N,) or (S, N) for S seeds. A drawn clip is drawn in all seeds.
        folds: number of clips of each fold, in order, if folds of unequal sizes have equal weights. Clips are then
            drawn within each fold.
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
    """Return the two-sided exact p of McNemar's test on the clips that exactly one of the two has right."""
    only_a = int(np.sum(a & ~b))
    only_b = int(np.sum(b & ~a))
    n, least = only_a + only_b, min(only_a, only_b)
    if only_a == only_b:
        return 1.0
    return min(1.0, 2 * float(binomial_probabilities(n)[: least + 1].sum()))


def binomial_probabilities(n: int) -> Floats:
    """Return P(k heads in `n` fair coin flips), (n + 1,), by C(n, k + 1) / C(n, k) = (n - k) / (k + 1)."""
    k = np.arange(n)
    logs = np.concatenate([[0.0], np.cumsum(np.log((n - k) / (k + 1)))]) - n * math.log(2)
    return np.exp(logs)


ALPHA, POWER = 0.05, 0.8  # level and power of the smallest detectable difference


def detectable_paired_difference(
    n: float, discordant: float, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """Return the smallest difference d of two accuracies on the same `n` clips that a paired test detects.

    The test is two-sided at level `alpha` and detects d with probability `power`. None if no difference can be that
    large, because too few clips are discordant. d solves

        d sqrt(n) = z_{1-alpha/2} sqrt(psi) + z_power sqrt(psi - d^2),     d <= psi

    Connor, Sample size for testing differences in proportions for the paired-sample design, Biometrics 43 (1987).

    Args:
        n: number of clips.
        discordant: observed share psi of clips that exactly one of the two has right; for means over seeds, the mean
            square of a clip's difference.
        alpha: level of the test.
        power: probability to detect d.
    """
    z_level, z_power = _normal(1 - alpha / 2), _normal(power)
    d = math.sqrt(discordant) * (z_level * math.sqrt(n) + z_power * math.sqrt(max(0.0, n + z_power**2 - z_level**2)))
    d /= n + z_power**2
    return d if 0 < d <= discordant else None


def detectable_difference(error: float, *, alpha: float = ALPHA, power: float = POWER) -> float:
    """Return the smallest difference of a statistic with standard error `error` that a test detects.

    (z_{1-alpha/2} + z_power) error, for a two-sided test at level `alpha` with power `power`. Normal approximation.
    """
    return (_normal(1 - alpha / 2) + _normal(power)) * error


def mean_std(values: Sequence[float]) -> tuple[float, float | None]:
    """Return mean and sample standard deviation (n − 1); the latter is None for a single value."""
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return mean, None
    return mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
