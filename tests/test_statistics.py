"""Intervals and tests against scipy, closed forms and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from benchmark_core.scoring.statistics import (
    bootstrap,
    detectable_paired_difference,
    mcnemar,
    mean_std,
    paired_bootstrap,
    percentile,
    resamples,
    wilson,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 5), (5, 5), (41, 100), (903, 1530)])
def test_wilson_is_scipys(hits: int, n: int) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(0.95, method="wilson")
    assert wilson(hits / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_hmdb51s_split_is_two_and_a_half_points() -> None:
    low, high = wilson(0.59, 1530)
    assert (high - low) / 2 == pytest.approx(0.0246, abs=2e-4)


def test_wilson_of_no_clips_says_nothing() -> None:
    assert wilson(0.0, 0) == (0.0, 1.0)


def test_resamples_draw_n_clips_each_time_and_are_seeded() -> None:
    (one,), (two,), (other,) = (list(resamples(9, 50, seed)) for seed in (0, 0, 1))
    assert one.shape == (50, 9) and (one.sum(axis=1) == 9).all()
    assert (one == two).all() and not (one == other).all()


def test_resamples_come_in_chunks() -> None:
    sizes = [len(chunk) for chunk in resamples(1_500_000, 5)]
    assert sizes == [2, 2, 1]


def test_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    values = np.random.default_rng(0).normal(size=400)
    low, high = bootstrap(lambda weights: weights @ values / 400, 400, replicates=4000)
    half = 1.96 * values.std() / 20
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)


def test_paired_bootstrap_has_the_distribution_of_drawing_clips() -> None:
    a, b = np.array([1, 1, 0, 1, 0]) > 0, np.array([0, 1, 1, 0, 0]) > 0
    differences = a.astype(float) - b  # 1 0 -1 1 0
    every = np.array([np.mean([differences[i] for i in drawn]) for drawn in itertools.product(range(5), repeat=5)])
    found = paired_bootstrap(a, b)
    assert found.value == pytest.approx(0.2) and found.n == 5
    assert (found.low, found.high) == pytest.approx(percentile(every))  # exact: all 3125 equally likely draws
    assert not found.significant


def test_paired_bootstrap_draws_clips_jointly_for_all_seeds() -> None:
    rng = np.random.default_rng(1)
    hard = rng.random(300)
    a = rng.random((3, 300)) < hard
    b = rng.random((3, 300)) < 0.5 * hard
    found = paired_bootstrap(a, b)
    each = (a.astype(float) - b).mean(axis=0)
    low, high = bootstrap(lambda weights: weights @ each / 300, 300, replicates=10_000, seed=7)
    assert found.value == pytest.approx(each.mean())
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-3)
    assert found.significant


def test_paired_bootstrap_of_equal_vectors_has_no_width() -> None:
    a = np.array([True, False, True])
    found = paired_bootstrap(a, a)
    assert (found.value, found.low, found.high, found.significant) == (0.0, 0.0, 0.0, False)


def test_paired_bootstrap_refuses_vectors_that_do_not_pair() -> None:
    with pytest.raises(ValueError, match="one shape"):
        paired_bootstrap(np.ones(3), np.ones(4))


def test_mcnemar_by_hand() -> None:
    a = np.array([1] * 6 + [0] + [1] * 5) > 0
    b = np.array([0] * 6 + [1] + [1] * 5) > 0
    # 7 discordant, 6 for a: P(X >= 6 or X <= 1) = 2 (7 + 1) / 128
    assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(16 / 128)
    assert mcnemar(a, a) == 1.0


def test_detectable_difference_solves_connors_equation() -> None:
    # d sqrt(n) = 1.96 sqrt(psi) + 0.8416 sqrt(psi - d²): put back in
    d = detectable_paired_difference(2000, 0.1)
    assert d is not None
    assert d * 2000**0.5 == pytest.approx(1.959964 * 0.1**0.5 + 0.841621 * (0.1 - d * d) ** 0.5, rel=1e-6)
    assert d == pytest.approx(2.801585 * (0.1 / 2000) ** 0.5, rel=1e-2)  # psi - d² is nearly psi
    assert detectable_paired_difference(2000, 0.1, power=0.5) == pytest.approx(1.959964 * (0.1 / 2000) ** 0.5)
    assert detectable_paired_difference(50, 0.04) is None  # two clips differ: no 4 points can show
    assert detectable_paired_difference(50, 0.0) is None


def test_detectable_paired_difference_is_found_with_the_power_it_promises() -> None:
    n, discordant, rng = 1500, 0.12, np.random.default_rng(0)
    d = detectable_paired_difference(n, discordant)
    assert d is not None
    chances = [(discordant + d) / 2, (discordant - d) / 2, 1 - discordant]
    drawn = rng.multinomial(n, chances, size=4000)
    z = (drawn[:, 0] - drawn[:, 1]) / np.sqrt(drawn[:, 0] + drawn[:, 1])  # McNemar's
    assert np.mean(np.abs(z) > 1.959964) == pytest.approx(0.8, abs=0.025)
    found = []
    for only_a, only_b, _ in drawn[:300].tolist():
        a, b = np.zeros((2, n), dtype=bool)
        a[:only_a], b[only_a : only_a + only_b] = True, True
        found.append(paired_bootstrap(a, b).significant)
    assert np.mean(found) == pytest.approx(0.8, abs=0.07)


def test_paired_bootstrap_of_folds_that_count_alike() -> None:
    # Two folds of 2 and 1 clips: (1 + 0) / 2 / 2 + (-1) / 1 / 2; the one clip of the second is always drawn.
    a, b = np.array([1, 1, 0]) > 0, np.array([0, 1, 1]) > 0
    found = paired_bootstrap(a, b, folds=(2, 1))
    assert (found.value, found.n) == (-0.25, 3)
    assert (found.low, found.high) == pytest.approx((-0.5, 0.0), abs=2e-3)  # of the first both or neither are drawn


def test_mean_and_std_over_seeds() -> None:
    assert mean_std([0.4]) == (0.4, None)
    assert mean_std([0.40, 0.42, 0.44]) == pytest.approx((0.42, 0.02))
