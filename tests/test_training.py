"""`Training` as a library: its public names, what a method gets from it, and what it refuses."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator

import pytest
import torch
from torch import nn
from toy_training import Make, fit, make, weights

from benchmark_core.clips.views import Views
from benchmark_core.progress import Advance, Silent
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.training import Training
from elrbench import ElrError, RunFailed

__all__ = ["make"]  # fixtures


def test_the_surface_is_frozen() -> None:
    public = {name for name in dir(Training) if not name.startswith("_")}
    assert " ".join(sorted(public)) == (
        "autocast classifier degrade derive epochs history log note recipe recognizer rng soft_loss stage step "
        "task_loss teacher teacher_stage to_device views whole"
    )
    assert str(inspect.signature(Training.stage)) == (
        "(self, name: 'str', fn: 'Callable[[Any], object]', module: 'Any', *, "
        "needs: 'Sequence[str | nn.Module]' = (), revision: 'int' = 1) -> 'Any'"
    )


def test_a_diverged_network_is_not_kept(make: Make) -> None:
    def explode(net: nn.Module) -> None:
        with torch.no_grad():
            next(net.parameters()).fill_(float("inf"))

    for _ in range(2):
        training = make()
        with pytest.raises(RunFailed, match="is not finite after training.*; lower the learning rate"):
            training.stage("student", explode, training.recognizer(), needs=tuple(RECIPE))


def test_progress_names_stage_epoch_and_unit(make: Make) -> None:
    seen: list[tuple[str | None, int, str]] = []

    class Watching(Silent):
        @contextlib.contextmanager
        def steps(self, label: str, total: int, unit: str = "clips") -> Iterator[Advance]:
            def advance(steps: int = 1, *, label: str | None = None, **metrics: float) -> None:
                seen.append((label, total, unit))

            yield advance

    training = make(reporter=Watching())
    training.stage("student", lambda net: fit(training, net, epochs=2), training.recognizer(), needs=("low", *RECIPE))
    total = len(seen)
    assert {unit for _, _, unit in seen} == {"steps"} and {of for _, of, _ in seen} == {total}
    assert list(dict.fromkeys(label for label, _, _ in seen)) == ["student, epoch 1/2", "student, epoch 2/2"]


def test_a_loss_that_is_not_finite_stops_with_its_place(make: Make) -> None:
    training = make()

    def diverge(net: nn.Module) -> None:
        for _ in training.epochs(training.views("train"), 1, state=[net]):
            training.log(loss=float("nan"))

    with pytest.raises(RunFailed, match="stage 'student', epoch 1, step 1: loss is nan; lower the learning rate"):
        training.stage("student", diverge, training.recognizer(), needs=tuple(RECIPE))


def test_test_clips_cannot_be_reached(make: Make) -> None:
    with pytest.raises(ElrError, match="asked for views of 'test' clips"):
        make().views("test")


def test_a_loop_outside_a_stage_is_refused(make: Make) -> None:
    training = make()
    with pytest.raises(ElrError, match="inside training.stage"):
        next(training.epochs(training.views("train"), 1, state=[]))


def test_roles_start_differently_and_seeds_agree(make: Make) -> None:
    training = make()
    assert torch.equal(weights(training.recognizer()), weights(make().recognizer()))
    assert not torch.equal(weights(training.recognizer()), weights(training.recognizer("other")))
    assert seed_of(0, "a") != seed_of(0, "b") and 0 <= seed_of(1, "x") < 2**63


def test_views_draw_the_same_whatever_else_is_wanted(make: Make) -> None:
    training = make()
    low: Views = training.views("train")
    both: Views = training.views("train", high=True)
    a, b = next(iter(low.batches(4, epoch=1))), next(iter(both.batches(4, epoch=1)))
    assert a.ids == b.ids and a.box is not None and b.box is not None and torch.equal(a.box, b.box)
