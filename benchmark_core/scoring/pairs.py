"""Verification: do two test clips show the same person, or have the same class? Scored from a recognizer's logits.

Embedding: a clip's logits (C,), less the clip's mean over classes and less each class's mean over the clips. The second
mean removes the preference that a recognizer has for some people. Similarity of two clips: the cosine of their
embeddings, rounded to 3 decimals, because predictions have 4 digits. Every pair of clips of one run is a trial.

    ROC area            probability that a pair of one person is more similar than a pair of two; equal counts one half
    equal error rate    error at the threshold where as many pairs of one person are rejected as pairs of two people are
                        accepted, in shares of each; between two thresholds, linear

Intervals: 95 % percentile bootstrap over people. A person is drawn with all own clips, because clips of one person are
alike. A person who is drawn twice enters pairs with other people twice, and is never paired with the copy. With few
people the interval is rough.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.statistics import Floats, mean_std, percentile, resamples

PAIRS = "pair_auc"  # name of the ROC area as a score of a run
LEVELS = 2001  # similarities -1.000, -0.999, … 1.000
MOST_PEOPLE = 200  # with more, the counts of an interval take too much memory
_CHUNK = 50  # replicates at a time: 50 x 2001 counts


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over runs with its sample deviation over seeds, and its interval (None for too many people)."""

    value: float
    std: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """ROC area and equal error rate. people: that have test clips. pairs: of one person and of two, in one seed."""

    area: Estimate
    error: Estimate
    people: int
    same: int
    different: int


@dataclass(frozen=True)
class PairCounts:
    """Numbers of pairs by similarity, lowest first.

    same: (P, L), of each of P people. different: (P (P - 1) / 2, L), of each two people, in the order of
    `np.triu_indices(P, 1)`.
    """

    same: Floats
    different: Floats


def similarities(logits: npt.NDArray[np.float64]) -> Floats:
    """Return the cosines (N, N) of centred logits (N, C). A clip whose centred logits are all 0 has cosine 0."""
    centred = logits - logits.mean(axis=1, keepdims=True)
    centred = centred - centred.mean(axis=0, keepdims=True)
    norms = np.linalg.norm(centred, axis=1, keepdims=True)
    units = np.divide(centred, norms, out=np.zeros_like(centred), where=norms > 1e-12)
    cosines: Floats = units @ units.T
    return cosines


def pair_counts(logits: npt.NDArray[np.float64], person: npt.NDArray[np.int64], people: int) -> PairCounts:
    """Count the pairs of clips by similarity. logits: (N, C). person: of each clip, from 0 to `people` - 1 (N,)."""
    one, other = np.triu_indices(len(person), 1)
    level = np.rint((similarities(logits)[one, other].clip(-1, 1) + 1) * (LEVELS - 1) / 2).astype(np.int64)
    first, second = np.minimum(person[one], person[other]), np.maximum(person[one], person[other])
    own = first == second
    number = np.zeros((people, people), dtype=np.int64)
    number[np.triu_indices(people, 1)] = np.arange(people * (people - 1) // 2)
    groups = people * (people - 1) // 2
    same = np.bincount(first[own] * LEVELS + level[own], minlength=people * LEVELS)
    apart = number[first[~own], second[~own]] * LEVELS + level[~own]
    different = np.bincount(apart, minlength=groups * LEVELS)
    return PairCounts(
        same.reshape(people, LEVELS).astype(np.float64), different.reshape(groups, LEVELS).astype(np.float64)
    )


def roc_area(same: Floats, different: Floats) -> Floats:
    """Return P(same > different) + P(equal) / 2 from counts by similarity (r, L), lowest first: (r,)."""
    below = np.cumsum(different, axis=1) - different  # pairs of two people that are less similar
    wins = (same * (below + different / 2)).sum(axis=1)
    area: Floats = wins / (same.sum(axis=1) * different.sum(axis=1))
    return area


def equal_error_rate(same: Floats, different: Floats) -> Floats:
    """Return the equal error rate from counts by similarity (r, L), lowest first: (r,).

    At threshold k, pairs with a level below k are rejected. The rate is where the line through the operating points
    (accepted pairs of two people, rejected pairs of one) meets equal errors.
    """
    none = np.zeros((len(same), 1))
    rejected = np.concatenate([none, np.cumsum(same, axis=1)], axis=1) / same.sum(axis=1, keepdims=True)  # (r, L + 1)
    kept = np.concatenate([none, np.cumsum(different, axis=1)], axis=1) / different.sum(axis=1, keepdims=True)
    gap = rejected - (1 - kept)  # from -1 to 1, never falls
    after = np.argmax(gap >= 0, axis=1)[:, None]  # first threshold with at least as many rejections: 1 or more
    high, low = np.take_along_axis(gap, after, 1), np.take_along_axis(gap, after - 1, 1)
    share = -low / (high - low)
    ends = np.take_along_axis(rejected, after - 1, 1), np.take_along_axis(rejected, after, 1)
    rate: Floats = (ends[0] + share * (ends[1] - ends[0]))[:, 0]
    return rate


def verify(runs: Sequence[Sequence[tuple[Floats, npt.NDArray[np.int64]]]], seed: int = 0) -> Verification | None:
    """Return the scores of several seeds and folds; None if the test clips have no pair of one person or of two people.

    Args:
        runs: `runs[s][f]` is (logits (N, C), person of each clip (N,)) of seed s and fold f. Pairs are within a run,
            because embeddings of two networks cannot be compared. Runs have equal weights.
        seed: seed of the 1,000 replicates. A replicate draws the same people in every run.
    """
    names = np.unique(np.concatenate([person for folds in runs for _, person in folds]))
    people = len(names)
    counts = [
        [pair_counts(logits, np.searchsorted(names, person), people) for logits, person in folds] for folds in runs
    ]
    every = np.ones((1, people))
    if people < 2 or any(not part.same.any() or not part.different.any() for folds in counts for part in folds):
        return None
    points = [np.mean([_scores(part, every)[:, 0] for part in folds], axis=0) for folds in counts]  # S x (2,)
    bounds = _interval(counts, people, seed) if people <= MOST_PEOPLE else None
    area, error = (
        Estimate(
            value=mean_std(values)[0],
            std=mean_std(values)[1],
            low=bounds[number][0] if bounds else None,
            high=bounds[number][1] if bounds else None,
        )
        for number, values in enumerate(zip(*(map(float, point) for point in points), strict=True))
    )
    return Verification(
        area=area,
        error=error,
        people=people,
        same=int(sum(part.same.sum() for part in counts[0])),
        different=int(sum(part.different.sum() for part in counts[0])),
    )


def _scores(part: PairCounts, weights: Floats) -> Floats:
    """Return (area, error) (2, r) of one run, if people count as often as `weights` (r, P) says.

    Replicates that draw no pair of one person, or none of two people, are NaN.
    """
    one, other = np.triu_indices(weights.shape[1], 1)
    same = weights @ part.same  # (r, L)
    different = (weights[:, one] * weights[:, other]) @ part.different
    found = np.full((2, len(weights)), np.nan)
    some = (same.sum(axis=1) > 0) & (different.sum(axis=1) > 0)
    if some.any():
        found[0, some] = roc_area(same[some], different[some])
        found[1, some] = equal_error_rate(same[some], different[some])
    return found


def _interval(counts: Sequence[Sequence[PairCounts]], people: int, seed: int) -> list[tuple[float, float]] | None:
    """Return the percentile intervals of area and error; None if most replicates have no pairs of both kinds."""
    weights = np.concatenate(list(resamples(people, seed=seed)))  # (r, P)
    flat = [part for folds in counts for part in folds]
    totals, runs = np.zeros((2, len(weights))), np.zeros(len(weights))
    for part in flat:  # a fold whose people were not drawn does not count in a replicate
        chunks = [_scores(part, weights[start : start + _CHUNK]) for start in range(0, len(weights), _CHUNK)]
        found = np.concatenate(chunks, axis=1)
        usable = ~np.isnan(found[0])
        totals[:, usable] += found[:, usable]
        runs += usable
    if (runs > 0).sum() < len(weights) / 2:
        return None
    return [percentile(each[runs > 0] / runs[runs > 0]) for each in totals]
