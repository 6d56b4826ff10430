"""A teacher with another backbone, size and frames than the student: plans, frames, stages, records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BUILTINS, TOY

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.cost.structure import describe_plan
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.frame_picker import FramePicker
from benchmark_core.plans.budgets import at_budget
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import fields_of
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.loaded_run import WEIGHTS
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.teachers import teacher_name
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.tables.cells import teacher_network
from elrbench import ElrError

NUMBERS = ("method.batch=12", "method.epochs=1")
JOINT = ("method.joint_epochs=1",)
STUDENT = {"dataset": "toy", "backbone": "toy3d", "budget": "smoke", "size": "12x16", "sampling": "1x8"}
UNLIKE = {"teacher_backbone": "toynet", "teacher_size": "24x32"}


@pytest.fixture(scope="session")
def toys() -> Catalog:
    plugins = [*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY), str(TOY.with_name("toy3d.py"))]
    return load_catalog(plugins, entry_points=False)


def planned(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    own = () if method.startswith("teacher") else JOINT
    fields = {key: value for key, value in {**STUDENT, **UNLIKE, **changes}.items() if value is not None}
    return resolve_plan(catalog, PlanRequest(method=method, settings=(*NUMBERS, *own, *settings), **fields))


def go(catalog: Catalog, plan: Plan, out: Path, cache: Path, teacher: Path | None = None) -> RunResult:
    extra = ExtraPaths(teacher=teacher)
    return run(plan, catalog, RunContext(data=None, out=out, cache=cache, reporter=Silent(), extra=extra))


# -- plans


def test_fields_are_part_of_a_plan_only_if_the_networks_differ(toys: Catalog) -> None:
    like = planned(toys, "kd", teacher_backbone=None, teacher_size=None)
    assert not any(key.startswith("teacher") for key in like.to_json())
    said = planned(toys, "kd", teacher_backbone="toy3d", teacher_size="12x16", teacher_weights="scratch")
    assert said.digest == like.digest
    unlike = planned(toys, "kd")
    fields = {"teacher_backbone": "toynet", "teacher_size": [24, 32], "teacher_frames": 4}
    assert {key: value for key, value in unlike.to_json().items() if key.startswith("teacher")} == fields
    assert Plan.from_json(json.loads(json.dumps(unlike.to_json()))) == unlike
    assert resolve_plan(toys, PlanRequest(**fields_of(unlike.to_json(), {}))) == unlike


def test_only_the_size_may_differ(toys: Catalog) -> None:
    plan = planned(toys, "kd", teacher_backbone=None)
    assert plan.to_json()["teacher_size"] == [24, 32] and plan.teacher_frames == 0
    assert plan.of_teacher.size == (24, 32) and plan.of_teacher.backbone == "toy3d"


def test_a_native_students_teacher_is_the_budgets_network(toys: Catalog) -> None:
    plan = planned(toys, "kd", backbone="toynative", teacher_backbone=None, teacher_size=None)
    assert (plan.teacher_backbone, plan.teacher_size, plan.teacher_frames) == ("resnet18", (48, 64), 4)
    assert resolve_plan(toys, PlanRequest(**fields_of(plan.to_json(), {}))) == plan
    small = at_budget(toys, plan, "small")
    assert (small.teacher_backbone, small.teacher_size) == ("resnet18", (96, 128))
    own = planned(toys, "kd", backbone="toynative", teacher_backbone="toynative", teacher_size="12x16")
    assert own.teacher_backbone == "toynative" and own.of_teacher.backbone == own.backbone
    assert resolve_plan(toys, PlanRequest(**fields_of(own.to_json(), {}))) == own


def test_a_method_without_a_teacher_gets_none(toys: Catalog) -> None:
    for method in ("supervised", "cstat:student", "purwanto:sa"):
        settings = ("method.heads=2",) if "purwanto" in method else ()
        plan = planned(toys, method, *settings, backbone="toynative", teacher_backbone=None, teacher_size=None)
        assert not any(key.startswith("teacher") for key in plan.to_json())
        with pytest.raises(ElrError, match=r"trains no teacher; remove --teacher-backbone") as caught:
            planned(toys, method, *settings)
        assert "\n" not in str(caught.value)


def test_another_budget_keeps_the_teacher_that_flags_name(toys: Catalog) -> None:
    small = at_budget(toys, planned(toys, "kd"), "small")
    assert (small.teacher_backbone, small.teacher_size, small.teacher_frames) == ("toynet", (24, 32), 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"teacher_backbone": "toynett"}, "unknown backbone 'toynett'.*toynet"),
        ({"teacher_weights": "imagenet"}, "unknown weights of the teacher's backbone 'toynet'.*imagenet"),
        ({"teacher_size": "24"}, "--teacher-size 24 is not HxW"),
        ({"teacher_size": "6x6"}, "--teacher-size 6x6 is not HxW"),
        ({"teacher_frames": "9"}, "--teacher-frames 9 is not a whole number from 1 to 8"),
        ({"teacher_backbone": "toy3d", "teacher_frames": "2"}, "'toy3d' is 3D and sees all frames"),
        (
            {"backbone": "toynet", "sampling": "4x1", "teacher_backbone": "toy3d"},
            "is 3D, but sampling 4x1",
        ),
    ],
)
def test_bad_input(toys: Catalog, changes: dict[str, str], message: str) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        planned(toys, "kd", **changes)
    assert "\n" not in str(caught.value)


def test_weights_are_copied_between_equal_backbones_only(toys: Catalog) -> None:
    with pytest.raises(ElrError, match=r"copies the teacher's weights .* 'toynet' and the student's 'toy3d'"):
        planned(toys, "strong-kd:from-teacher")
    assert planned(toys, "strong-kd:from-teacher", teacher_backbone=None).teacher_size == (24, 32)


def test_a_trained_enhancer_needs_high_views_of_its_size(toys: Catalog) -> None:
    with pytest.raises(ElrError, match=r"enhancer 'd-dbpn' is trained on high views of network size"):
        planned(toys, "kd", enhancer="d-dbpn", size="96x128", teacher_size="48x64")


# -- the frames that a 2D teacher sees


def test_frames_are_centres_of_equal_parts() -> None:
    assert FramePicker(intervals=1, frames=24, wanted=4).numbers == [3, 9, 15, 21]
    assert FramePicker(intervals=4, frames=8, wanted=4).numbers == [4, 12, 20, 28]  # the middle of each interval
    assert FramePicker(intervals=8, frames=1, wanted=4).numbers == [1, 3, 5, 7]


def test_each_group_of_intervals_is_treated_alike() -> None:
    picker = FramePicker(intervals=2, frames=3, wanted=2)  # frames 1 and 4 of 6
    view = torch.arange(12.0).reshape(1, 4, 1, 3, 1, 1)  # two crops of a clip
    assert picker.view(view).flatten().tolist() == [1, 4, 7, 10]
    assert picker.view(view).shape == (1, 4, 1, 1, 1, 1)
    picked = FramePicker(intervals=2, frames=2, wanted=4)
    mask = torch.tensor([[1.0, 1, 1, 0]])
    assert picked.mask(mask, 8).tolist() == [[1, 1, 1, 1, 1, 1, 0, 0]]


def test_the_teacher_sees_its_frames_of_the_students_view(toys: Catalog) -> None:
    plan = planned(toys, "teacher")
    components = components_of(toys, plan)
    teacher = recognizer_of(plan, components, high=True).eval()
    alone = planned(toys, "teacher", backbone="toynet", size="24x32", sampling="4x1", teacher_backbone=None)
    plain = recognizer_of(alone, components_of(toys, alone), high=True).eval()
    plain.load_state_dict(teacher.state_dict())
    view = torch.rand(2, 1, 3, 8, 24, 32)
    frames = view[:, 0].transpose(1, 2)[:, [1, 3, 5, 7]].unsqueeze(3)  # (2, 4, 3, 1, 24, 32)
    with torch.no_grad():
        expected = plain(frames, torch.ones(2, 4))
        assert torch.equal(teacher(view, torch.ones(2, 1)), expected)
        trace = teacher.trace(view, torch.ones(2, 1))
        assert torch.equal(trace.logits, expected) and trace.mask is not None and trace.mask.shape == (2, 4)
        image, intervals = teacher.enhance_and_crop(view)
        again = image.reshape(2, intervals, 3, 1, 24, 32).as_subclass(Enhanced)
        assert torch.equal(teacher(again, torch.ones(2, 1)), expected)  # as strong-kd does
    assert describe_plan(plan, components) == describe_plan(alone, components_of(toys, alone))


# -- runs


def stages(result: RunResult) -> dict[str, bool]:
    return {stage["name"]: stage["reused"] for stage in result.record["stages"]}


def test_kd_and_the_method_teacher_share_the_teachers_stage(toys: Catalog, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = go(toys, planned(toys, "kd"), tmp_path / "kd", cache)
    assert stages(first) == {"teacher": False, "student": False, "joint": False}
    assert first.record["plugins"]["teacher_backbone"]["name"] == "toynet"
    assert teacher_network(first.record["plan"]) == "toynet 24x32 4 frames"
    alone = go(toys, planned(toys, "teacher"), tmp_path / "teacher", cache)
    assert stages(alone) == {"teacher": True}
    assert alone.record["structure"].startswith("toynet-none-mean-logits-24x32-4x1")
    native = go(toys, planned(toys, "kd", backbone="toynative"), tmp_path / "native", cache)
    assert stages(native) == {"teacher": True, "student": False, "joint": False}
    fewer = go(toys, planned(toys, "teacher", teacher_frames="2"), tmp_path / "fewer", cache)
    assert stages(fewer) == {"teacher": False}


def test_external_teachers_of_an_unlike_student(toys: Catalog, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    same = go(toys, planned(toys, "teacher"), tmp_path / "same", cache).folder
    own = {"backbone": "toynet", "size": "24x32", "teacher_backbone": None, "teacher_size": None}
    alone = go(toys, planned(toys, "teacher", **own, sampling="4x1"), tmp_path / "alone", cache).folder
    for number, folder in enumerate((same, alone)):
        plan = planned(toys, "kd", teacher=teacher_name(folder))
        found = go(toys, plan, tmp_path / f"kd{number}", cache, folder)
        assert stages(found)["joint"] is False and found.record["teacher"]["name"] == plan.teacher
    assert (same / WEIGHTS).read_bytes() != (alone / WEIGHTS).read_bytes()
    other = go(toys, planned(toys, "teacher", **own, sampling="2x1"), tmp_path / "other", cache).folder
    plan = planned(toys, "kd", teacher=teacher_name(other))
    with pytest.raises(ElrError, match="has sampling 2x1, but the plan's teacher has 4x1; pass another teacher"):
        go(toys, plan, tmp_path / "refused", cache, other)
    plan = planned(toys, "kd", teacher=teacher_name(same), teacher_backbone=None, teacher_size=None)
    with pytest.raises(ElrError, match="has backbone toynet, but the plan has toy3d; pass --teacher-backbone toynet"):
        go(toys, plan, tmp_path / "refused", cache, same)


@pytest.mark.parametrize("method", ["kd", "strong-kd", "stat", "cstat", "teacher", "purwanto:kd"])
def test_time_estimates_know_the_teacher(toys: Catalog, method: str, tmp_path: Path) -> None:
    plan = planned(toys, method)
    times = estimate_times(
        plan, components_of(toys, plan), clips=24, device=torch.device("cpu"), cache=tmp_path / "cache"
    )
    assert all(seconds > 0 for seconds in times.values())


def test_students_of_degraded_high_views_depend_on_the_size_of_the_high_views(toys: Catalog, tmp_path: Path) -> None:
    """With crop "before", low views are made of high views on the device."""
    cache, degradation = tmp_path / "cache", "bicubic-14x14"
    sized = {"size": "16x16", "degradation": degradation, "backbone": "toy3d", "teacher_backbone": None}
    go(toys, planned(toys, "kd", **sized, teacher_size=None), tmp_path / "like", cache)
    unlike = go(toys, planned(toys, "kd", **sized, teacher_size="32x32"), tmp_path / "unlike", cache)
    assert stages(unlike)["student"] is False
