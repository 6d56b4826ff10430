"""The exact bootstrap, compared with sampled draws and with an enumeration of all draws."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from benchmark_core.scoring.exact_bootstrap import bootstrap_sum, bootstrap_weighted
from benchmark_core.scoring.statistics import paired_bootstrap, wilson


def test_it_is_the_interval_of_all_equally_likely_draws() -> None:
    each = np.array([1, 0, -1, 1, 0, 2])
    every = np.sort([sum(drawn) for drawn in itertools.product(each.tolist(), repeat=6)])  # 6⁶ = 46,656
    low = min(t for t in every if np.mean(every <= t) >= 0.025)
    high = max(t for t in every if np.mean(every >= t) >= 0.025)
    assert bootstrap_sum(each) == (low, high)


def test_two_clips_by_hand() -> None:
    # Sums of two draws of {0, 1}: 0, 1, 2 with 1/4, 1/2, 1/4.
    assert bootstrap_sum(np.array([0, 1])) == (0, 2)
    assert bootstrap_sum(np.array([0, 1]), confidence=0.4) == (1, 1)  # P(0) = 0.25 < 0.3 <= P(0 or 1)
    assert bootstrap_sum(np.array([0, 1]), confidence=0.5) == (0, 2)  # 0.25 is enough
    assert bootstrap_sum(np.array([3, 3, 3])) == (9, 9)


@pytest.mark.parametrize(("n", "rate", "seeds"), [(2000, 0.2, 5), (6000, 0.05, 3), (2000, 0.0005, 1), (40, 0.5, 2)])
def test_it_is_near_that_of_many_draws(n: int, rate: float, seeds: int) -> None:
    rng = np.random.default_rng(0)
    each = (rng.random((seeds, n)) < rate).sum(axis=0) - (rng.random((seeds, n)) < 0.9 * rate).sum(axis=0)
    values, counts = np.unique(each, return_counts=True)
    draws = rng.multinomial(n, counts / n, size=200_000) @ values
    deviation = math.sqrt(n * each.var())
    assert bootstrap_sum(each) == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=max(1, 0.02 * deviation))


def test_the_other_way_round_is_the_mirror_image() -> None:
    rng = np.random.default_rng(3)
    for n in (3, 20, 500):
        each = rng.integers(-3, 4, n)
        low, high = bootstrap_sum(each)
        assert bootstrap_sum(-each) == (-high, -low)


def test_parts_of_one_are_the_whole() -> None:
    each = np.random.default_rng(1).integers(-2, 3, 300)
    low, high = bootstrap_sum(each)
    step = 1e-3 * float(each.std()) * math.sqrt(300)
    assert bootstrap_weighted([each], [0.5]) == pytest.approx((low / 2, high / 2), abs=step)


def test_folds_of_unequal_sizes_count_alike_as_drawing_inside_each() -> None:
    rng = np.random.default_rng(2)
    parts = [(rng.random((2, n)) < 0.3).sum(axis=0) - (rng.random((2, n)) < 0.25).sum(axis=0) for n in (300, 280, 35)]
    weights = [1 / (2 * part.size * 3) for part in parts]
    draws = np.zeros(200_000)
    for part, weight in zip(parts, weights, strict=True):
        values, counts = np.unique(part, return_counts=True)
        draws += rng.multinomial(part.size, counts / part.size, size=draws.size) @ values * weight
    found = bootstrap_weighted(parts, weights)
    assert found == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.02 * float(draws.std()))


def test_parts_without_any_difference() -> None:
    assert bootstrap_weighted([np.zeros(3, dtype=int), np.ones(5, dtype=int)], [1.0, 0.25]) == (1.25, 1.25)


def test_a_difference_of_a_thousand_clips_is_significant() -> None:
    right = np.arange(1000) < 500
    other = np.arange(1000) < 480
    assert paired_bootstrap(right, other).significant and not paired_bootstrap(right, np.roll(right, 1)).significant


def test_wilson_is_what_published_records_hold_to_the_last_digit() -> None:
    low, high = wilson(0.551, 2000)  # of a published record
    assert (low, high) == (0.5291241420776668, 0.5726803190996456)
