"""Which stages are reused: what their keys hold, and what a stage may therefore read."""

from __future__ import annotations

import dataclasses
import functools
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from toy_training import INPUTS, OWNERS, Make, fit, make, one_loop, weights

from benchmark_core.plans.plan import Plan
from benchmark_core.source_text import other_source, package_digest, source_note
from benchmark_core.training.keys import StageInputs, function_name, stage_function, stage_numbers
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.training import Training
from elrbench import ElrError

__all__ = ["make"]  # fixtures


def test_an_equal_stage_is_reused_and_another_number_is_not(make: Make) -> None:
    needs = ("low", *(key for key in RECIPE if key != "momentum"))  # which AdamW does not read

    def run(training: Training) -> tuple[bool, torch.Tensor]:
        net = training.stage("student", lambda net: fit(training, net, epochs=1), training.recognizer(), needs=needs)
        return training.stages[0]["reused"], weights(net)

    first, second = run(make()), run(make())
    assert (first[0], second[0]) == (False, True) and torch.equal(first[1], second[1])
    assert run(make(seed=1))[0] is False
    plan = make().plan
    assert run(make(settings={**plan.settings, "method.momentum": 0.5}))[0] is True  # not among its needs
    assert run(make(settings={**plan.settings, "method.lr": 0.5}))[0] is False


def test_a_high_stage_depends_on_what_is_stored_and_on_the_crop_alone(make: Make) -> None:
    def numbers(need: str, **changes: Any) -> dict[str, Any]:
        training = make(**changes)
        return stage_numbers(training.plan, training.inputs, (need,), (), nn.Linear(1, 1))

    assert numbers("high") == numbers("high", degradation="average-6x8")
    assert numbers("high") != numbers("high", degradation="bicubic-12x16")  # the same aspect, cut before degrading
    assert numbers("low") != numbers("low", degradation="average-6x8")


@pytest.mark.parametrize(
    "other",
    [
        {"clips": "d"},
        {"crop": "before"},
        {"low": "m"},
        {"owners": {**OWNERS, "backbone": "elsewhere"}},
    ],
    ids=["clips", "crop", "stored view", "who brought it"],
)
def test_what_a_stage_reads_is_in_its_key(toy_plan: Plan, other: dict[str, Any]) -> None:
    def numbers(inputs: StageInputs, module: nn.Module) -> dict[str, Any]:
        return stage_numbers(toy_plan, inputs, ("low",), (), module)

    assert numbers(INPUTS, nn.Linear(1, 1)) != numbers(dataclasses.replace(INPUTS, **other), nn.Linear(1, 1))
    assert numbers(INPUTS, nn.Linear(1, 1)) != numbers(INPUTS, nn.Linear(1, 2))


def test_a_function_that_moved_keeps_its_name_in_keys() -> None:
    @stage_function("old_module:train")
    def moved(epochs: int) -> None: ...

    assert function_name(moved) == "old_module:train"
    assert function_name(functools.partial(moved, epochs=2)) == "old_module:train(epochs=2)"
    assert function_name(fit) == f"{fit.__module__}:fit"


def test_a_chain_of_stages_on_one_module_depends_on_each_link(make: Make) -> None:
    def chain(rate: float) -> bool:
        plan = make().plan
        training = make(settings={**plan.settings, "method.lr": rate})
        net = training.recognizer()
        training.stage("a", lambda net: fit(training, net, 1), net, needs=("low", *RECIPE))
        training.stage("b", lambda net: fit(training, net, 1), net, needs=("low", *RECIPE, net))
        training.stage("c", lambda net: fit(training, net, 1), net, needs=("low", *RECIPE, net))
        return bool(training.stages[2]["reused"])

    assert [chain(1e-3), chain(1e-2), chain(1e-3)] == [False, False, True]


def test_a_need_that_no_stage_trained_is_named(make: Make) -> None:
    training = make()
    with pytest.raises(ElrError, match="stage 'b' needs a Recognizer that no stage has trained"):
        training.stage("b", lambda net: None, training.recognizer(), needs=(training.recognizer("x"),))
    with pytest.raises(ElrError, match="unknown need of stage 'b': 'epoch'. Did you mean 'epochs'?"):
        training.stage("b", lambda net: None, training.recognizer(), needs=("epoch",))


def test_a_stage_reads_no_option_that_its_key_does_not_hold(make: Make) -> None:
    """Otherwise a run with another value of the option would reuse these weights."""

    def reads(*keys: str) -> Callable[[nn.Module], None]:
        return lambda net: [training.options[key] for key in keys] and None

    training = make()
    training.stage("a", reads("lr", "batch"), training.recognizer(), needs=("lr", "batch"))
    assert training.options["momentum"] and {**training.options}  # outside a stage all are read
    with pytest.raises(ElrError, match="stage 'b' reads the option 'momentum', .*`needs`"):
        training.stage("b", reads("lr", "momentum"), training.recognizer(), needs=("lr",))
    with pytest.raises(ElrError, match="the option 'momentum'"):
        training.stage("c", lambda net: training.options.get("momentum", 0.0) and None, training.recognizer())
    absent = training.stage("d", lambda net: training.options.get("no_such", 3), training.recognizer())
    assert isinstance(absent, nn.Module) and training.options["momentum"]


def test_what_ran_before_a_stage_does_not_change_it(make: Make) -> None:
    one, other = make("one"), make("other")
    torch.rand(100)
    a = one.stage("student", lambda net: fit(one, net, 1), one.recognizer(), needs=("low", *RECIPE))
    other.stage("warm", lambda net: fit(other, net, 2), other.recognizer("warm"), needs=("low", *RECIPE))
    b = other.stage("student", lambda net: fit(other, net, 1), other.recognizer(), needs=("low", *RECIPE))
    assert torch.equal(weights(a), weights(b))


def test_the_notice_covers_the_functions_whole_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fitting_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "loss.py").write_text("SCALE = 1\n")
    (package / "fit.py").write_text("from fitting_package.loss import SCALE\n\n\ndef fit(net):\n    return SCALE\n")
    monkeypatch.syspath_prepend(tmp_path)
    function = importlib.import_module("fitting_package.fit").fit
    note = source_note(function)
    assert not other_source(note, function) and not other_source(note, functools.partial(function))
    (package / "loss.py").write_text('"""Words."""\nSCALE = 1  # more words\n')
    assert not other_source(note, function)
    (package / "loss.py").write_text("SCALE = 2\n")
    assert other_source(note, function)
    assert not other_source({"source": "0" * 16}, function)  # a note of an older version cannot be compared
    assert package_digest(one_loop) == ""  # a file that is in no package stands for itself
    empty = {"module_code": "", "package_code": ""}  # of code without text
    assert source_note(len) == empty and not other_source(empty, len)
