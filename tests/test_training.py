"""`Training` as a library: its public names, shared and resumed stages, and refusals."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import inspect
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchmark_core.catalog import Catalog, Section
from benchmark_core.clips.views import Views
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Advance, Reporter, Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.time_estimate import estimate_times, report_time_estimate
from benchmark_core.source_text import other_source, package_digest, source_note
from benchmark_core.training.keys import StageInputs, function_name, stage_function, stage_numbers
from benchmark_core.training.recipe import schedule_of
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.stage_trainer import StageTrainer
from benchmark_core.training.training import Training, build_training
from elrbench import ElrError, RunFailed

Make = Callable[..., Training]
OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)


@pytest.fixture
def make(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> Make:
    """`make(cache="a", seed=…)`: a Training on the toy dataset; other keywords change the plan."""

    def training(cache: str = "a", reporter: Reporter | None = None, **changes: Any) -> Training:
        plan = dataclasses.replace(toy_plan, **changes)
        components = components_of(toy_catalog, plan)
        components = dataclasses.replace(components, method=dataclasses.replace(components.method, needs_high=True))
        data = prepare(plan, components, RunContext(out=tmp_path / "clips", cache=tmp_path / "clips"))
        return build_training(
            plan=plan,
            components=components,
            inputs=data.stage_inputs(OWNERS),
            make_views=data.training_views,
            device=torch.device("cpu"),
            cache=tmp_path / cache,
            reporter=reporter or Silent(),
        )

    return training


def stages_of(training: Training) -> Path:
    """Return the folder of the stages in the cache of `training`."""
    runner = training._runner
    assert isinstance(runner, StageTrainer)
    return runner._cache / "stages"


class Killed(Exception):
    """Raised in place of a kill."""


def fit(training: Training, net: nn.Module, epochs: int = 3, die_at: int | None = None) -> None:
    views = training.views("train")
    recipe = training.recipe(net, views, epochs)
    for batch in training.epochs(views, epochs, state=[net, recipe]):
        if batch.epoch == die_at:
            raise Killed
        loss = training.task_loss(net(batch.low, batch.mask, batch.box), batch.target)
        recipe.step(loss)
        training.log(loss=loss)


def weights(net: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten().float() for value in net.state_dict().values()])


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


def one_loop(training: Training, die_at: int | None = None) -> Callable[[Any], None]:
    def run(net: nn.Module) -> None:
        fit(training, net, die_at=die_at)

    return run


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
    assert function_name(fit) == f"{__name__}:fit"


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


def test_a_diverged_network_is_not_kept(make: Make) -> None:
    def explode(net: nn.Module) -> None:
        with torch.no_grad():
            next(net.parameters()).fill_(float("inf"))

    for _ in range(2):
        training = make()
        with pytest.raises(RunFailed, match="is not finite after training.*; lower the learning rate"):
            training.stage("student", explode, training.recognizer(), needs=tuple(RECIPE))


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


def test_a_checkpoint_of_noise_is_no_checkpoint(make: Make) -> None:
    training = make()
    with pytest.raises(Killed):
        training.stage("student", one_loop(training, 1), training.recognizer(), needs=tuple(RECIPE))
    (path,) = stages_of(training).rglob("checkpoint.pt")
    path.write_bytes(bytes(range(256)) * 20)
    again = make()
    again.stage("student", one_loop(again), again.recognizer(), needs=tuple(RECIPE))
    assert [row["epoch"] for row in again.stages[0]["history"]] == [0, 1, 2]


def test_what_ran_before_a_stage_does_not_change_it(make: Make) -> None:
    one, other = make("one"), make("other")
    torch.rand(100)
    a = one.stage("student", lambda net: fit(one, net, 1), one.recognizer(), needs=("low", *RECIPE))
    other.stage("warm", lambda net: fit(other, net, 2), other.recognizer("warm"), needs=("low", *RECIPE))
    b = other.stage("student", lambda net: fit(other, net, 1), other.recognizer(), needs=("low", *RECIPE))
    assert torch.equal(weights(a), weights(b))


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


STEP = {"warmup_epochs": 5, "step_epochs": 20, "step_factor": 0.1}


@pytest.mark.parametrize(("epoch", "factor"), [(0, 0), (2.5, 0.5), (5, 1), (19.9, 1), (20, 0.1), (40, 0.01)])
def test_the_papers_schedule(epoch: float, factor: float) -> None:
    assert schedule_of({"schedule": "step", **STEP}, 50)(epoch) == pytest.approx(factor, abs=1e-6)


def test_one_cycle_starts_at_a_25th_peaks_at_three_tenths_and_ends_near_zero() -> None:
    run = schedule_of({"schedule": "one-cycle", **STEP}, 10)
    assert (run(0), run(3)) == (pytest.approx(1 / 25), pytest.approx(1)) and run(10) == pytest.approx(4e-6)


def test_an_estimate_names_the_stages_and_leaves_nothing(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    components = components_of(toy_catalog, toy_plan)
    before = torch.get_rng_state()
    seconds = estimate_times(toy_plan, components, clips=24, inputs=INPUTS, device=torch.device("cpu"), cache=tmp_path)
    assert list(seconds) == ["student"] and seconds["student"] > 0
    assert not list(tmp_path.iterdir()) and torch.equal(before, torch.get_rng_state())


def test_an_estimate_needs_only_the_number_of_clips(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    """Before clips are decoded there are no digests of them, so no stage can be looked up in the cache."""
    heard: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

    asked = {"clips": 24, "device": torch.device("cpu"), "cache": tmp_path}
    assert estimate_times(toy_plan, components_of(toy_catalog, toy_plan), **asked)["student"] > 0
    report_time_estimate(toy_plan, components_of(toy_catalog, toy_plan), toy_catalog, reporter=Heard(), **asked)
    assert "student" in heard[0] and "in the cache" in heard[0] and not list(tmp_path.iterdir())


def test_an_estimate_refuses_a_loop_outside_a_stage(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    def loop(training: Training) -> None:
        next(training.epochs(training.views("train"), 1, state=[]))

    components = components_of(toy_catalog, toy_plan)
    components = dataclasses.replace(components, method=dataclasses.replace(components.method, fit=loop))
    with pytest.raises(ElrError, match=r"epochs.*inside training\.stage"):
        estimate_times(toy_plan, components, clips=4, device=torch.device("cpu"), cache=tmp_path)


@pytest.mark.parametrize(("batch", "hinted"), [(2, True), (1, False)])
def test_a_shorter_budget_that_does_not_go_with_the_rest_stops_no_run(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, hinted: bool
) -> None:
    """With one interval, a batch of one clip is refused; the longer budget has several intervals."""
    method = toy_catalog.methods["supervised"]
    short = dataclasses.replace(method, budgets={**method.budgets, "small": {"sampling": "1x1", "method.epochs": 1}})
    catalog = dataclasses.replace(toy_catalog, methods=Section("method", {"supervised": short}))
    flags = {"backbone": "toynet", "size": "24x32", "settings": (f"method.batch={batch}",)}
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="toy", **flags))
    heard: list[str] = []

    class Listening(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

    monkeypatch.setattr("benchmark_core.runs.time_estimate.HOUR", 0.0)
    asking = {"clips": 4, "inputs": INPUTS, "device": torch.device("cpu"), "cache": tmp_path}
    report_time_estimate(plan, components_of(catalog, plan), catalog, reporter=Listening(), **asking)
    assert heard[0].startswith("training will take about ")
    assert [line.startswith("--budget small would take") for line in heard[1:]] == [True] * hinted


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
