"""reskd: what teaches and what learns, its control, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from test_kd import go, same, scored, stages, toy, training_of

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench import ElrError
from elrbench_plugins.reskd import fit

# -- training


def test_numbers_of_the_authors_code(catalog: Catalog) -> None:
    plan = resolve_plan(catalog, PlanRequest(method="reskd", dataset="hmdb51"))
    assert (plan.size, plan.high_size, plan.sampling) == ((112, 112), (224, 224), "8x1")
    assert plan.weights == "scratch"  # `show reskd` says that the authors' are ImageNet's
    options = components_of(catalog, plan).options(plan, "method")
    stated = {"optimiser": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-4, "schedule": "cosine",
              "clip_norm": 20.0, "map_weight": 100.0, "teacher_norms": "batch", "resize": "student", "batch": 64,
              "epochs": 50, "joint_epochs": 100}  # fmt: skip
    assert {key: options[key] for key in stated} == stated


def test_the_teacher_is_the_shared_stage_and_only_the_student_learns(toy_catalog: Catalog, tmp_path: Path) -> None:
    oracle = go(toy_catalog, toy(toy_catalog, "teacher"), tmp_path)
    training = training_of(toy_catalog, toy(toy_catalog, "reskd"), tmp_path / "own")
    kept: dict[str, Any] = {}
    learn = fit.learn

    def spy(training: Any, teacher: Any, student: Any) -> None:
        kept["before"] = {key: value.clone() for key, value in teacher.state_dict().items()}
        learn(training, teacher, student)
        kept["teacher"] = teacher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fit, "learn", spy)
        student = fit.fit(training)
    teacher = kept["teacher"]
    assert same(teacher.state_dict(), kept["before"])  # running statistics, too
    assert not any(each.requires_grad for each in teacher.parameters())
    assert all(each.grad is not None for each in student.parameters())
    row = training.stages[-1]["history"][-1]
    assert row["map"] > 0 and row["loss"] == pytest.approx(row["task"] + 100 * row["map"], rel=1e-4)
    result = go(toy_catalog, toy(toy_catalog, "reskd"), tmp_path)
    assert stages(result) == {"teacher": True, "student": False}
    assert result.record["stages"][0]["key"] == oracle.record["stages"][0]["key"]


@pytest.mark.parametrize("variant", ["running-norms", "resize-teacher"])
def test_each_variant_changes_the_result(toy_catalog: Catalog, tmp_path: Path, variant: str) -> None:
    size = {"teacher_size": "48x64"}  # maps of two sizes
    usual = go(toy_catalog, toy(toy_catalog, "reskd", **size), tmp_path)
    other = go(toy_catalog, toy(toy_catalog, f"reskd:{variant}", **size), tmp_path)
    assert not same(scored(usual), scored(other))


def test_the_control_is_supervised_as_long_and_trains_no_teacher(toy_catalog: Catalog, tmp_path: Path) -> None:
    control = go(toy_catalog, toy(toy_catalog, "reskd:no-map"), tmp_path)
    plain = go(toy_catalog, toy(toy_catalog, "supervised"), tmp_path)
    assert stages(control) == {"student": False} and same(scored(control), scored(plain))
    taught = go(toy_catalog, toy(toy_catalog, "reskd"), tmp_path)
    assert taught.record["updates"]["student"] == control.record["updates"]["student"]
    assert not same(scored(taught), scored(control))


@pytest.mark.parametrize(
    ("method", "settings", "changes", "message"),
    [
        ("reskd", ("method.map_weight=-1",), {}, "map_weight=-1.* is below 0"),
        ("reskd", ("method.resize=both",), {}, "'both' is not one of student, teacher"),
        ("reskd:no-map", (), {"teacher_size": "48x64"}, "teacher"),
    ],
)
def test_refused(
    toy_catalog: Catalog, method: str, settings: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        toy(toy_catalog, method, *settings, **changes)
    assert "\n" not in str(caught.value)
