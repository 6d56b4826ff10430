"""Two runs on the same clips, with several labels or class by class: shared bootstraps, exact tests."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.f1 import Decisions, f1
from benchmark_core.scoring.statistics import REPLICATES, Floats, coin_sums, resamples

SWAPS = 10_000  # of a randomisation test
_CHUNK = 4_000_000


@functools.lru_cache(maxsize=4)
def _weights(n: int, seed: int) -> npt.NDArray[np.float32]:
    """(N, r): how often each replicate draws each clip, the replicates of `bootstrap`. Whole numbers, so exact."""
    return np.ascontiguousarray(np.concatenate(list(resamples(n, REPLICATES, seed)), dtype=np.float32).T)


def f1_draws(of: Decisions, metric: str, seed: int = 0) -> Floats:
    """The F1 of that name in each bootstrap replicate, (r,).

    Replicates draw the same clips whatever the run: those of two runs, subtracted, are a paired bootstrap, and each
    run's are made once however many it is compared with.
    """
    counts, weights = of.counts, _weights(len(of.truth), seed)
    if metric.split("_")[1] != "macro":
        return counts.metric(metric)(weights.T.astype(np.float64))
    from scipy import sparse  # half a second of starting that tables of clips with one label do without

    # One or two classes a clip, of dozens: as sparse matrices a tenth of the work.
    both, either = ((sparse.csr_array(part.T.astype(np.float32)) @ weights) for part in (counts.both, counts.either))
    draws: Floats = f1(both.astype(np.float64), either.astype(np.float64)).mean(axis=0)
    return draws


def sign_flip(differences: npt.NDArray[np.integer[Any]]) -> float:
    """Two-sided exact p of whole per-clip differences (N,): is their sum as far from 0 where each sign is a coin's?

    Of hits of one seed this is McNemar's exact test; of differences summed over seeds, that test with each clip kept
    whole. Fisher, The Design of Experiments (1935), section 21.
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chance = np.ones(1)  # of the sum of positive differences being 0, 1, …
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = coin_sums(count)
        chance = np.convolve(chance, spread)
    total = int((sizes * counts).sum())
    distance = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chance[distance >= abs(int(differences.sum()))].sum()))


def swap_test(truth: npt.NDArray[np.bool_], a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], seed: int = 0) -> float:
    """Two-sided p of a difference of one class's F1, mean over seeds: truth (S, N), predictions of two runs (S, N).

    Randomisation test: clip by clip a coin says whose prediction is whose, in all seeds together; p is (1 + as far) /
    (1 + draws) (Phipson and Smyth 2010, valid at any number of draws). Drawn 10,000 times, seeded.
    """
    differs = np.any(a != b, axis=0)
    m = int(differs.sum())
    if not m:
        return 1.0
    ones = truth.sum(axis=1, keepdims=True)  # (S, 1)
    found, said = (truth & a, truth & b), (a, b)
    hits = [part.sum(axis=1, keepdims=True) for part in found]  # (S, 1)
    calls = [part.sum(axis=1, keepdims=True) for part in said]
    more_hits = (found[1].astype(np.float32) - found[0])[:, differs]  # (S, m): what a swap gives a and takes from b
    more_calls = (said[1].astype(np.float32) - said[0])[:, differs]

    def gap(moved: Floats, called: Floats) -> Floats:
        """F1 of a less that of b, mean over seeds, where a has gained so many hits and calls: (S, r) -> (r,)."""
        ours = f1(hits[0] + moved, calls[0] + called + ones)
        theirs = f1(hits[1] - moved, calls[1] - called + ones)
        difference: Floats = (ours - theirs).mean(axis=0)
        return difference

    none = np.zeros((len(truth), 1))
    observed = abs(float(gap(none, none)[0]))
    rng = np.random.default_rng(seed)
    far, step = 0, max(1, _CHUNK // m)
    for start in range(0, SWAPS, step):
        coins = rng.integers(0, 2, size=(m, min(step, SWAPS - start)), dtype=np.uint8).astype(np.float32)
        drawn = gap((more_hits @ coins).astype(np.float64), (more_calls @ coins).astype(np.float64))
        far += int(np.sum(np.abs(drawn) >= observed - 1e-12))
    return (1 + far) / (1 + SWAPS)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted for as many tests (Holm 1979): those under alpha hold together at level alpha."""
    out = [0.0] * len(p)
    worst = 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        worst = max(worst, min(1.0, (len(p) - place) * p[index]))
        out[index] = worst
    return out
