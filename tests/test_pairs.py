"""Same person or not, from logits: ROC area, equal error rate and their intervals, by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from benchmark_core.errors import RunFailed
from benchmark_core.scoring.pairs import (
    LEVELS,
    _scores,
    equal_error_rate,
    pair_counts,
    roc_area,
    similarities,
    verify,
)
from benchmark_core.scoring.scores import score

OPPOSITE = np.array([[1.0, -1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, 1.0]])  # centred already


def test_the_cosine_is_of_centred_logits():
    one, other = [1, 1, -1, -1], [-1, -1, 1, 1]
    assert similarities(OPPOSITE) == pytest.approx(np.array([one, one, other, other]))
    shifted = OPPOSITE + np.arange(4)[:, None] + np.array([5.0, 0.0])  # a clip's constant, a preference for one person
    assert similarities(shifted) == pytest.approx(similarities(OPPOSITE))
    assert not similarities(np.ones((3, 2))).any()  # nothing is left


def test_area_and_error_by_hand():
    same, different = np.array([[0.0, 1.0, 2.0]]), np.array([[1.0, 1.0, 0.0]])
    # six pairs of pairs: 1 against 0 wins, 1 against 1 ties, 2 wins against both, twice
    assert roc_area(same, different).tolist() == pytest.approx([5.5 / 6])
    # (accepted, rejected) is (1, 0), (1/2, 0), (0, 1/3): the last segment meets equal errors at 3/5 of its length
    assert equal_error_rate(same, different).tolist() == pytest.approx([0.2])
    assert equal_error_rate(same[:, ::-1], same).tolist() == pytest.approx(
        [1 - equal_error_rate(same, same[:, ::-1])[0]]
    )
    assert equal_error_rate(different, different).tolist() == roc_area(different, different).tolist() == [0.5]


def test_the_score_of_pairs_by_hand():
    found = score(OPPOSITE, np.array([0, 1, 0, 1]), ("a", "b"), "pair_auc")
    assert found.scores["pair_auc"].value == pytest.approx(0.25) and found.scores["pair_auc"].n == 4
    assert found.hits is None and found.per_class.n == (2, 2) and found.per_class.value == (None, None)
    for targets, classes in (([0, 0, 0, 0], 2), ([0, 1, 2, 3], 4)):
        with pytest.raises(RunFailed, match="pair_auc needs test clips of 2 to 200 classes"):
            score(OPPOSITE.repeat(classes // 2, 1), np.array(targets), "abcd"[:classes], "pair_auc")


def test_pairs_are_counted_by_person_and_similarity():
    counts = pair_counts(OPPOSITE, np.array([0, 1, 0, 1]), 2)
    assert counts.same.shape == (2, LEVELS) and counts.different.shape == (1, LEVELS)
    assert counts.same[:, 0].tolist() == [1, 1] and counts.same.sum() == 2  # clips 0 and 2, 1 and 3: cosine -1
    assert counts.different[0, [0, LEVELS - 1]].tolist() == [2, 2]


@pytest.mark.parametrize(
    ("person", "area", "error"),
    [([0, 0, 1, 1], 1.0, 0.0), ([0, 1, 0, 1], 0.25, 2 / 3)],  # same: two at -1; different: two at -1, two at 1
)
def test_verification_by_hand(person: list[int], area: float, error: float):
    found = verify([[(OPPOSITE, np.array(person))]])
    assert found is not None
    assert found.area.value == pytest.approx(area) and found.error.value == pytest.approx(error)
    assert (found.people, found.same, found.different) == (2, 2, 4)
    assert found.area.std is None


def test_a_person_drawn_twice_counts_twice_and_is_not_paired_with_the_copy():
    rng = np.random.default_rng(0)
    logits, person = rng.normal(size=(12, 3)) + np.repeat(np.eye(3), 4, axis=0), np.repeat([0, 1, 2], 4)
    weights = np.array([2.0, 1.0, 1.0])
    cosines = np.rint((similarities(logits) + 1) * 1000)
    pairs = list(itertools.combinations(range(12), 2))
    same = [(cosines[i, j], weights[person[i]]) for i, j in pairs if person[i] == person[j]]
    apart = [(cosines[i, j], weights[person[i]] * weights[person[j]]) for i, j in pairs if person[i] != person[j]]
    wins = sum(w * v * ((s > d) + (s == d) / 2) for s, w in same for d, v in apart)
    expected = wins / (sum(w for _, w in same) * sum(v for _, v in apart))
    assert _scores(pair_counts(logits, person, 3), weights[None])[0, 0] == pytest.approx(expected)
    assert np.isnan(_scores(pair_counts(logits, person, 3), np.array([[3.0, 0, 0]]))).all()  # no pair of two people


def test_runs_are_averaged_and_random_logits_stay_at_chance():
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(8), 6)
    runs = [[(rng.normal(size=(48, 8)), person)] for _ in range(2)]
    found = verify(runs)
    each = [verify([folds]) for folds in runs]
    assert found is not None and found.area.low is not None and found.area.high is not None
    assert found.area.value == pytest.approx(np.mean([one.area.value for one in each if one]))
    assert found.area.std == pytest.approx(np.std([one.area.value for one in each if one], ddof=1))
    assert found.area.low < 0.5 < found.area.high and found.area.low < found.area.value < found.area.high


def test_folds_may_have_people_of_their_own():
    one, other = (OPPOSITE, np.array([0, 0, 1, 1])), (OPPOSITE, np.array([2, 3, 2, 3]))
    found = verify([[one, other]])
    assert found is not None and found.area.value == pytest.approx((1 + 0.25) / 2)
    assert (found.people, found.same, found.different) == (4, 4, 8)


def test_without_a_pair_of_one_person_or_of_two_there_is_no_score():
    assert verify([[(OPPOSITE, np.array([0, 1, 2, 3]))]]) is None
    assert verify([[(OPPOSITE, np.array([0, 0, 0, 0]))]]) is None
