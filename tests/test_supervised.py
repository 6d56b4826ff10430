"""The plain methods: their numbers are cstat's, so that stages are shared, and their controls are what they say."""

from __future__ import annotations

import inspect
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import prepare
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.training.training import Training, build_training
from elrbench_plugins.attention_transfer.attention import TemporalAttention
from elrbench_plugins.supervised import fit as plain
from elrbench_plugins.supervised.budgets import BUDGETS, JOINT_BUDGETS

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
METHODS = ("supervised", "supervised:matched", "teacher", "cstat", "stat")


def plan_of(catalog, method: str, budget: str):
    return resolve_plan(catalog, PlanRequest(method=method, dataset="puppets", budget=budget))


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
def test_methods_agree_in_every_number_that_a_stage_reads(catalog, budget: str) -> None:
    plans = [plan_of(catalog, method, budget) for method in METHODS]
    for plan in plans[1:]:
        for field in ("backbone", "enhancer", "size", "sampling", "precision", "weights", "degradation"):
            assert getattr(plan, field) == getattr(plans[0], field), field
        one, other = (components_of(catalog, each).options(each, "method") for each in (plan, plans[0]))
        assert [one[key] for key in RECIPE] == [other[key] for key in RECIPE]


def test_paper_budget_is_the_papers(catalog) -> None:
    plan = plan_of(catalog, "cstat", "paper")
    assert (plan.backbone, plan.enhancer, plan.size, plan.sampling) == ("resnet34", "bilinear", (256, 340), "8x1")
    options = plan.options("method")
    stated = {"optimiser": "sgd", "lr": 1e-3, "momentum": 0.9, "batch": 256, "epochs": 50, "warmup_epochs": 5,
              "schedule": "step", "step_epochs": 20, "step_factor": 0.1}  # fmt: skip
    assert {key: options[key] for key in stated} == stated


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
def test_matched_takes_as_many_epochs_as_cstats_student(catalog, budget: str) -> None:
    matched, cstat = plan_of(catalog, "supervised:matched", budget), plan_of(catalog, "cstat", budget)
    assert matched.options("method")["matched"] is True
    assert plan_of(catalog, "supervised", budget).options("method")["matched"] is False
    assert matched.options("method")["joint_epochs"] == cstat.options("method")["joint_epochs"]


def test_budgets_name_only_what_their_methods_have(catalog) -> None:
    """A number that a method does not have would be left out without a word."""
    joint = {method: JOINT_BUDGETS for method in ("supervised", "cstat", "stat")}
    for method, budgets in {"teacher": BUDGETS, **joint}.items():
        assert catalog.methods[method].budgets == budgets
        for numbers in budgets.values():
            named = {key.partition(".")[2] for key in numbers if key.startswith("method.")}
            assert named <= set(catalog.methods[method].options)
            assert set(numbers) - {f"method.{key}" for key in named} <= {"backbone", "size", "sampling", "precision"}


def test_teacher_is_a_ceiling_and_not_a_competitor(catalog) -> None:
    teacher = catalog.methods["teacher"]
    assert teacher.oracle and teacher.needs_high
    supervised = catalog.methods["supervised"]
    assert not supervised.oracle and not supervised.needs_high
    assert supervised.controls == ("matched",)


def test_the_loop_is_eight_lines() -> None:
    body = inspect.getsource(plain.fit_classifier).split('"""')[2].strip().splitlines()
    assert len(body) == 8


def test_specs_import_no_torch() -> None:
    plugins = ", ".join(f"elrbench_plugins.{name}" for name in ("cstat", "stat", "supervised"))
    check = f"import sys, {plugins}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


# -- through the harness: 24 clips, one epoch a stage


@pytest.fixture(scope="module")
def trained(catalog, tmp_path_factory):
    """Each method's (training, recognizer), fitted one after the other over one cache."""
    cache, done = tmp_path_factory.mktemp("cache"), {}
    numbers = ("dataset.train=24", "dataset.test=12", "dataset.rows=48", "dataset.columns=64", "dataset.frames=8",
               "method.epochs=1", "method.joint_epochs=1", "method.batch=8")  # fmt: skip
    for method in ("supervised:matched", "cstat"):
        request = PlanRequest(method=method, dataset="puppets", budget="smoke", settings=numbers)
        plan = resolve_plan(catalog, request)
        components = components_of(catalog, plan)
        data = prepare(plan, components, RunContext(out=cache, cache=cache))
        training = build_training(plan=plan, components=components, inputs=data.stage_inputs(OWNERS),
                            make_views=data.training_views,
                            device=torch.device("cpu"), cache=cache, reporter=Silent())  # fmt: skip
        kept = watch_stages(training)
        model = components.method.load(components.method.fit)(training)
        done[method] = SimpleNamespace(training=training, data=data, kept=kept, model=model)
    return done


def watch_stages(training: Training) -> dict[str, tuple[Recognizer, dict[str, Tensor]]]:
    """Every stage's module and its state when the stage ended."""
    kept, stage = {}, training.stage

    def watched(name: str, *args, **kwargs):
        module = stage(name, *args, **kwargs)
        kept[name] = module, {key: value.clone() for key, value in module.state_dict().items()}
        return module

    training.stage = watched
    return kept


def test_cstat_starts_from_the_student_that_supervised_left(trained) -> None:
    ours = {stage["name"]: stage for stage in trained["cstat"].training.stages}
    theirs = {stage["name"]: stage for stage in trained["supervised:matched"].training.stages}
    assert list(ours) == ["teacher-tam", "student", "joint"]
    assert ours["student"]["key"] == theirs["student"]["key"] and ours["student"]["reused"]
    assert ours["joint"]["key"] != theirs["joint"]["key"]
    assert ours["joint"]["updates"] == theirs["joint"]["updates"] == 3


def test_both_second_phases_see_the_same_batches(trained) -> None:
    seen = []
    for run, high in (("supervised:matched", False), ("cstat", True)):
        views = trained[run].data.training_views(low=True, high=high, seed=7)
        seen.append(next(iter(views.batches(8, epoch=0))))
    assert seen[0].ids == seen[1].ids
    assert torch.equal(seen[0].low, seen[1].low) and torch.equal(seen[0].box, seen[1].box)


def test_the_teacher_stands_still_in_the_joint_phase(trained) -> None:
    teacher, before = trained["cstat"].kept["teacher-tam"]
    assert not teacher.training
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_the_joint_phase_moves_the_student_and_its_temporal_attention(trained) -> None:
    _, alone = trained["cstat"].kept["student"]
    model = trained["cstat"].model
    assert isinstance(model.head, TemporalAttention)
    assert not torch.equal(model.backbone.state_dict()["conv1.weight"], alone["backbone.conv1.weight"])
    assert model.head.fc2.weight.abs().max() > 0


def test_the_joint_phase_logs_its_terms_and_the_maps_statistics(trained) -> None:
    last = trained["cstat"].training.stages[-1]["history"][-1]
    assert last["loss"] == pytest.approx((last["ce"] + last["sat"] + last["tat"]) / 3, abs=1e-4)
    assert last["sat"] == pytest.approx(sum(last[f"w_sat_{i}"] * last[f"sat_{i}"] for i in range(1, 5)), abs=1e-5)
    assert [last[f"w_sat_{i}"] for i in range(1, 5)] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert 0.25 <= last["confidence"] <= 0.75
    assert last["confidence_area"] >= 0.5
    assert 0.5 <= last["confidence_video"] <= 1
