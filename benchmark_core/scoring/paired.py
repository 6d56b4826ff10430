"""Paired tests of two runs on the same clips: F1 bootstrap, and tests per class."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.f1 import Decisions, f1
from benchmark_core.scoring.statistics import REPLICATES, Floats, binomial_probabilities, resamples

SWAPS = 10_000  # draws of the randomisation test
_CHUNK = 4_000_000  # coins held in memory at a time


@functools.lru_cache(maxsize=4)
def _weights(n: int, seed: int) -> npt.NDArray[np.float32]:
    """Return the clip counts of the replicates of `bootstrap`: float32 (N, r), exact because they are integers."""
    return np.ascontiguousarray(np.concatenate(list(resamples(n, REPLICATES, seed)), dtype=np.float32).T)


def f1_draws(of: Decisions, metric: str, seed: int = 0) -> Floats:
    """Return the F1 named `metric` in each bootstrap replicate, (r,).

    Replicates draw the same clips for every run, so the difference of two runs' replicates is a paired bootstrap.
    """
    counts, weights = of.counts, _weights(len(of.truth), seed)
    if metric.split("_")[1] != "macro":
        return counts.metric(metric)(weights.T.astype(np.float64))
    from scipy import sparse  # imported late: it takes half a second, and single-label tables do not need it

    # Sparse: clips have one or two of dozens of classes, so this is ten times faster.
    both, either = ((sparse.csr_array(part.T.astype(np.float32)) @ weights) for part in (counts.both, counts.either))
    draws: Floats = f1(both.astype(np.float64), either.astype(np.float64)).mean(axis=0)
    return draws


def sign_flip_test(differences: npt.NDArray[np.integer[Any]]) -> float:
    """Return the two-sided exact p of integer per-clip differences (N,) under random signs.

    p is the probability that the sum is at least as far from 0 if every sign is a fair coin. For the hits of one seed,
    this is McNemar's exact test. For differences summed over seeds, a clip keeps one sign in all seeds. Fisher, The
    Design of Experiments (1935), section 21.
    """
    sizes, counts = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    chance = np.ones(1)  # P(sum of positive differences = 0, 1, …)
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = binomial_probabilities(count)
        chance = np.convolve(chance, spread)
    total = int((sizes * counts).sum())
    distance = np.abs(2 * np.arange(total + 1) - total)
    return min(1.0, float(chance[distance >= abs(int(differences.sum()))].sum()))


def swap_test(truth: npt.NDArray[np.bool_], a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], seed: int = 0) -> float:
    """Return the two-sided p of the difference between two runs in one class's F1, mean over seeds.

    Randomisation test: for each clip, a coin swaps the two runs' predictions, in all seeds together. p is (1 + number
    of draws at least as far from 0) / (1 + draws), which is valid for any number of draws (Phipson and Smyth 2010).

    Args:
        truth: labels, bool (S, N).
        a, b: predictions of the two runs, bool (S, N).
        seed: seed of the 10,000 draws.
    """
    differs = np.any(a != b, axis=0)
    m = int(differs.sum())
    if not m:
        return 1.0
    ones = truth.sum(axis=1, keepdims=True)  # (S, 1)
    true_positives, predicted = (truth & a, truth & b), (a, b)
    hits = [part.sum(axis=1, keepdims=True) for part in true_positives]  # (S, 1)
    calls = [part.sum(axis=1, keepdims=True) for part in predicted]  # (S, 1)
    more_hits = (true_positives[1].astype(np.float32) - true_positives[0])[:, differs]  # (S, m): change of a if swapped
    more_calls = (predicted[1].astype(np.float32) - predicted[0])[:, differs]

    def gap(moved_hits: Floats, moved_calls: Floats) -> Floats:
        """Return F1(a) − F1(b), mean over seeds, after moving hits and calls from b to a: (S, r) -> (r,)."""
        ours = f1(hits[0] + moved_hits, calls[0] + moved_calls + ones)
        theirs = f1(hits[1] - moved_hits, calls[1] - moved_calls + ones)
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


def holm_adjust(p: Sequence[float]) -> list[float]:
    """Adjust p-values for multiple tests (Holm 1979): all below alpha are significant together at level alpha."""
    out = [0.0] * len(p)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p)), key=lambda index: p[index])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[index]))
        out[index] = largest
    return out
