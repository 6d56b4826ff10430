"""Paired tests of classes and of F1: by hand, by brute force, and what is shared of bootstraps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmark_core.scoring.f1 import Decisions
from benchmark_core.scoring.paired import SWAPS, f1_draws, holm_adjust, sign_flip_test, swap_test
from benchmark_core.scoring.statistics import bootstrap, mcnemar, percentile


def test_sign_flip_of_one_seed_is_mcnemar() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.random((2, 60)) < 0.6
        assert sign_flip_test(a.astype(int) - b.astype(int)) == pytest.approx(mcnemar(a, b))


def test_sign_flip_by_hand() -> None:
    # |sum| of ±2 ±1 ±1: 4, 2, 2, 0 and the same below; 2 + 1 - 1 = 2 is reached or passed by 6 of 8
    assert sign_flip_test(np.array([2, 1, -1, 0, 0])) == pytest.approx(6 / 8)
    assert sign_flip_test(np.array([2, 1, 1])) == pytest.approx(2 / 8)
    assert sign_flip_test(np.zeros(5, dtype=int)) == 1.0


def test_sign_flip_is_the_count_of_all_signs() -> None:
    each = np.array([3, -1, 2, 2, 1, -2, 1, 0, 3, 1])
    sums = [
        abs(sum(s * d for s, d in zip(signs, each, strict=True))) for signs in itertools.product((-1, 1), repeat=10)
    ]
    assert sign_flip_test(each) == pytest.approx(np.mean(np.array(sums) >= abs(each.sum())))


def test_swap_test_is_the_count_of_all_swaps() -> None:
    rng = np.random.default_rng(3)
    truth = np.tile(rng.random(9) < 0.5, (2, 1))  # two seeds of the same clips
    a, b = rng.random((2, 2, 9)) < 0.5
    a[:, :4] = truth[:, :4]

    def gap(a: np.ndarray, b: np.ndarray) -> float:
        each = []
        for one, other, true in zip(a, b, truth, strict=True):
            scores = [2 * (true & said).sum() / max(1, true.sum() + said.sum()) for said in (one, other)]
            each.append(scores[0] - scores[1])
        return float(np.mean(each))

    far = []
    for coins in itertools.product((False, True), repeat=9):
        swap = np.array(coins)
        far.append(abs(gap(np.where(swap, b, a), np.where(swap, a, b))) >= abs(gap(a, b)) - 1e-12)
    assert swap_test(truth, a, b) == pytest.approx(np.mean(far), abs=0.02)


def test_swap_test_where_nothing_or_everything_differs() -> None:
    truth = np.ones((1, 30), dtype=bool)
    assert swap_test(truth, truth, truth) == 1.0
    assert swap_test(truth, truth, ~truth) == 1 / (1 + SWAPS)  # 2 of 2^30 swaps are as far: none drawn


def test_holm_by_hand() -> None:
    # sorted 0.01 · 4, 0.02 · 3, 0.03 · 2 (no less than the one before), 0.5 · 1
    assert holm_adjust([0.03, 0.5, 0.01, 0.02]) == pytest.approx([0.06, 0.5, 0.04, 0.06])
    assert holm_adjust([0.9, 0.8]) == [1.0, 1.0] and holm_adjust([]) == []


@pytest.mark.parametrize("metric", ["f1_macro", "f1_micro", "f1_samples"])
def test_draws_are_those_of_the_records_own_interval(metric: str) -> None:
    rng = np.random.default_rng(1)
    found = Decisions(rng.random((70, 4)) < 0.3, rng.random((70, 4)) < 0.3)
    low, high = bootstrap(found.counts.metric(metric), 70)
    assert percentile(f1_draws(found, metric)) == pytest.approx((low, high), abs=1e-12)
    assert not np.array_equal(f1_draws(found, metric, seed=1), f1_draws(found, metric))


def test_draws_of_equal_decisions_have_no_difference_and_of_one_clip_no_width() -> None:
    truth = np.array([[True, False]])
    one = f1_draws(Decisions(truth, truth), "f1_macro")
    assert set(one) == {0.5}  # the second class is nowhere, and counts 0
    assert not (one - f1_draws(Decisions(truth, truth.copy()), "f1_macro")).any()
