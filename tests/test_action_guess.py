"""The guess from a clip's action alone, by hand."""

from __future__ import annotations

import numpy as np

from benchmark_core.scoring.action_guess import guess
from benchmark_core.scoring.scores import score


def test_the_guess_is_the_commonest_target_of_the_action() -> None:
    seen = ["smoke", "smoke", "smoke", "dance", "dance"]
    targets = np.array([1, 1, 0, 2, 2])
    logits = guess(seen, targets, ["smoke", "dance", "smoke"], 3)
    assert logits.argmax(1).tolist() == [1, 2, 1]
    assert np.exp(logits[0]).round(2).tolist() == [0.33, 0.67, 0.0]  # one and two of three training clips


def test_an_action_without_training_clips_gets_the_commonest_target_of_all() -> None:
    logits = guess(["smoke", "smoke", "dance"], np.array([1, 1, 0]), ["run"], 2)
    assert np.exp(logits[0]).round(4).tolist() == [0.3333, 0.6667]


def test_balanced_actions_leave_the_guess_at_chance() -> None:
    actions = [action for action in "abcd" for _ in range(5)]
    people = np.array([person for _ in "abcd" for person in range(5)])
    scored = score(guess(actions, people, actions, 5), people, [str(person) for person in range(5)])
    assert scored.scores["top1"].value == 0.2


def test_of_several_labels_the_guess_states_log_odds() -> None:
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 0]])
    logits = guess(["walk", "walk", "sit", "sit"], targets, ["walk", "sit"], 2)
    assert logits[0, 0] > 5  # both walkers have the first label
    assert abs(logits[0, 1]) < 0.01  # one of two has the second
    assert (logits[1] < -5).all()
