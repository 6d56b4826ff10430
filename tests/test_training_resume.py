"""A stage that is killed between epochs and run again ends as one that was not."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toy_training import Killed, Make, fit, make, one_loop, weights

from benchmark_core.progress import Silent
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.stage_trainer import StageTrainer
from benchmark_core.training.training import Training

__all__ = ["make"]  # fixtures


def stages_of(training: Training) -> Path:
    """Return the folder of the stages in the cache of `training`."""
    runner = training._runner
    assert isinstance(runner, StageTrainer)
    return runner._cache / "stages"


def two_loops(training: Training, die_at: int | None = None) -> Callable[[Any], None]:
    """Two loops over different modules, as for a network that grows or is trained against another."""

    def run(pair: nn.ModuleList) -> None:
        fit(training, pair[0], epochs=2)
        fit(training, pair[1], epochs=3, die_at=die_at)

    return run


@pytest.mark.parametrize(("loops", "epochs"), [(one_loop, [0, 1, 2]), (two_loops, [0, 1, 0, 1, 2])])
@pytest.mark.parametrize("die_at", [1, 2])
def test_a_kill_between_epochs_changes_nothing(make: Make, loops: Any, epochs: list[int], die_at: int) -> None:
    def pair(training: Training) -> nn.ModuleList:
        return nn.ModuleList([training.recognizer("one"), training.recognizer("two")])

    fresh: Callable[[Training], nn.Module] = pair if loops is two_loops else Training.recognizer
    seen: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            seen.append(line)

    whole, broken, again = make("whole"), make("broken"), make("broken", reporter=Heard())
    straight = whole.stage("student", loops(whole), fresh(whole), needs=("low", *RECIPE))
    with pytest.raises(Killed):
        broken.stage("student", loops(broken, die_at), fresh(broken), needs=("low", *RECIPE))
    went_on = again.stage("student", loops(again), fresh(again), needs=("low", *RECIPE))
    resumed, trained = seen
    assert resumed.startswith("student: ") and resumed.endswith(f"epoch {die_at + 1}")
    assert trained.startswith("student: trained in ") and trained.endswith(" of it in earlier processes")
    assert torch.equal(weights(straight), weights(went_on))
    assert [row["epoch"] for row in again.stages[0]["history"]] == epochs
    assert again.stages[0]["updates"] == whole.stages[0]["updates"]


def test_the_seconds_before_a_kill_count_in_the_stage_that_goes_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process spends 1000 s in its first epoch, by its clock; the one that resumes has another clock."""
    real, later = time.monotonic, [0.0]
    monkeypatch.setattr("time.monotonic", lambda: real() + later[0])

    def seconds(die_at: int | None = None) -> float:
        training = make("broken")

        def run(net: nn.Module) -> None:
            views = training.views("train")
            recipe = training.recipe(net, views, 3)
            for batch in training.epochs(views, 3, state=[net, recipe]):
                if batch.epoch == die_at:
                    raise Killed
                recipe.step(training.task_loss(net(batch.low, batch.mask, batch.box), batch.target))
                later[0] = 1000.0 if die_at else 0.0

        training.stage("student", run, training.recognizer(), needs=("low", *RECIPE))
        return float(training.stages[0]["seconds"])

    with pytest.raises(Killed):
        seconds(die_at=1)
    later[0] = 0.0
    assert 1000 < seconds() < 1900


def test_a_later_loop_does_not_change_what_an_earlier_one_left(make: Make) -> None:
    """Killed in the second loop over a module that was copied between the loops: the copy is equal after the resume."""

    def run(training: Training, die_at: int | None = None) -> Callable[[Any], None]:
        def twice(net: nn.Module) -> None:
            fit(training, net, epochs=1)
            kept.append(weights(net))
            fit(training, net, epochs=3, die_at=die_at)

        return twice

    kept: list[torch.Tensor] = []
    broken, again = make("broken"), make("broken")
    with pytest.raises(Killed):
        broken.stage("student", run(broken, 2), broken.recognizer(), needs=tuple(RECIPE))
    again.stage("student", run(again), again.recognizer(), needs=tuple(RECIPE))
    assert torch.equal(kept[0], kept[1])


def test_random_numbers_of_an_epoch_do_not_depend_on_a_kill(make: Make) -> None:
    def run(training: Training, die_at: int | None = None) -> list[float]:
        drawn: list[float] = []

        def draw(net: nn.Module) -> None:
            for batch in training.epochs(training.views("train"), 2, state=[net]):
                if batch.epoch == die_at:
                    raise Killed
                drawn.append(float(training.rng.random()))

        with contextlib.suppress(Killed):
            training.stage("student", draw, training.recognizer(), needs=tuple(RECIPE))
        return drawn

    whole = run(make("whole"))
    assert len(set(whole)) == len(whole) == 4
    assert run(make("broken"), die_at=1) + run(make("broken")) == whole


def test_notes_of_a_stage_outlive_a_kill_and_are_repeated_where_it_is_reused(make: Make) -> None:
    def run(training: Training, die_at: int | None = None) -> list[str]:
        def noted(net: nn.Module) -> None:
            for batch in training.epochs(training.views("train"), 2, state=[net]):
                if batch.epoch == die_at:
                    raise Killed
                if batch.epoch == 0:
                    training.note("the first epoch was odd")

        training.note("before any stage")
        with contextlib.suppress(Killed):
            training.stage("student", noted, training.recognizer(), needs=tuple(RECIPE))
        return training.notes

    assert run(make(), die_at=1) == ["before any stage"]  # no stage was finished
    told = ["before any stage", "student: the first epoch was odd"]
    assert run(make()) == told  # its first epoch was before the kill, and is not run again
    again = make()
    assert run(again) == told and again.stages[0]["reused"]


def test_history_is_what_a_stage_has_logged_before_a_kill_too(make: Make) -> None:
    def run(training: Training, die_at: int | None = None) -> list[list[float]]:
        seen = []

        def watch(net: nn.Module) -> None:
            for batch in training.epochs(training.views("train"), 3, state=[net]):
                if batch.epoch == die_at:
                    raise Killed
                training.log(figure=float(batch.epoch))
                seen.append([row["figure"] for row in training.history])

        with contextlib.suppress(Killed):
            training.stage("student", watch, training.recognizer(), needs=tuple(RECIPE))
        return seen

    training = make("whole")
    whole = run(training)
    assert whole == [[]] * 2 + [[0.0]] * 2 + [[0.0, 1.0]] * 2  # two batches an epoch
    assert training.history == ()
    assert run(make("broken"), die_at=2) + run(make("broken")) == whole


def test_a_checkpoint_of_noise_is_no_checkpoint(make: Make) -> None:
    training = make()
    with pytest.raises(Killed):
        training.stage("student", one_loop(training, 1), training.recognizer(), needs=tuple(RECIPE))
    (path,) = stages_of(training).rglob("checkpoint.pt")
    path.write_bytes(bytes(range(256)) * 20)
    again = make()
    again.stage("student", one_loop(again), again.recognizer(), needs=tuple(RECIPE))
    assert [row["epoch"] for row in again.stages[0]["history"]] == [0, 1, 2]
