"""The plain methods: their numbers are cstat's, so that stages are shared, and their controls are what they say."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from elrbench_plugins.supervised import fit as plain
from elrbench_plugins.supervised.budgets import BUDGETS, JOINT_BUDGETS

from benchmark_core.resolve import Request, resolve_plan
from benchmark_core.training.recipe_options import RECIPE

METHODS = ("supervised", "supervised:matched", "teacher", "cstat")


def plan_of(catalog, method: str, budget: str):
    return resolve_plan(catalog, Request(method=method, dataset="puppets", budget=budget))


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
def test_methods_agree_in_every_number_that_a_stage_reads(catalog, budget: str) -> None:
    plans = [plan_of(catalog, method, budget) for method in METHODS]
    for plan in plans[1:]:
        for field in ("backbone", "enhancer", "size", "sampling", "precision", "weights", "degradation"):
            assert getattr(plan, field) == getattr(plans[0], field), field
        assert [plan.options("method")[key] for key in RECIPE] == [plans[0].options("method")[key] for key in RECIPE]


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
    for method, budgets in (("teacher", BUDGETS), ("supervised", JOINT_BUDGETS), ("cstat", JOINT_BUDGETS)):
        assert catalog.methods[method].budgets == budgets
        for numbers in budgets.values():
            named = {key.partition(".")[2] for key in numbers if key.startswith("method.")}
            assert named <= set(catalog.methods[method].options)
            assert set(numbers) - {f"method.{key}" for key in named} <= {"backbone", "size", "sampling", "precision"}


def test_teacher_is_a_ceiling_and_not_a_competitor(catalog) -> None:
    teacher = catalog.methods["teacher"]
    assert teacher.privileged and teacher.needs_high
    supervised = catalog.methods["supervised"]
    assert not supervised.privileged and not supervised.needs_high
    assert supervised.controls == ("matched",)


def test_the_loop_is_eight_lines() -> None:
    body = inspect.getsource(plain.fit_classifier).split('"""')[2].strip().splitlines()
    assert len(body) == 8


def test_specs_import_no_torch() -> None:
    check = "import sys, elrbench_plugins.cstat, elrbench_plugins.supervised; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
