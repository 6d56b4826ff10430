"""elr-distil as a whole: variants, controls, refusals, resume, unlabelled clips, and weights from another dataset."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from test_kd import Killed, go, same, scored, stages, training_of
from test_mistakes import replaced

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.runner import RunResult
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE
from benchmark_core.weights_file import add_weights
from elrbench_plugins.elr_distil import augment, teachers
from elrbench_plugins.elr_distil.options import IDEAS as IDEA_OPTIONS

FEW = ("method.batch=12", "method.epochs=1", "method.joint_epochs=2", "method.pretext_epochs=1")
IDEAS = ("transforms", "soft", "two-teachers", "map", "motion", "order", "speed", "masked", "pretext")


def toy(catalog: Catalog, variants: str = "", *settings: str, **changes: Any) -> Plan:
    fields = {"dataset": "toy", "budget": "smoke", "sampling": "clip-6", "teacher_backbone": "toynet",
              "teacher_size": "24x32", **changes}  # fmt: skip
    method = f"elr-distil{variants and ':'}{variants}"
    return resolve_plan(catalog, PlanRequest(method=method, settings=(*FEW, *settings), **fields))


def history(result: RunResult) -> dict[str, list[dict[str, float]]]:
    log: dict[str, list[dict[str, float]]] = json.loads((result.folder / "log.json").read_text())
    return log


# -- plans


def test_the_bare_name_has_the_first_two_ideas(toy_catalog: Catalog) -> None:
    plan = toy(toy_catalog)
    assert plan.method == "elr-distil:transforms+soft" and plan.size == (12, 16) and plan.enhancer == "none"
    assert (plan.teacher_backbone, plan.teacher_size, plan.teacher_frames) == ("toynet", (24, 32), 4)
    options = components_of(toy_catalog, plan).options(plan, "method")
    assert (options["transforms"], options["alpha"], options["map_weight"], options["pretext"]) == (
        0.75,
        0.5,
        0,
        "none",
    )


def test_a_row_and_its_control_differ_in_the_ideas_alone(toy_catalog: Catalog) -> None:
    spec = toy_catalog.methods["elr-distil"]
    assert set(IDEAS) | {"plain"} == set(spec.variants) and spec.own_controls == {"": "elr-distil:plain"}
    plain = toy(toy_catalog, "plain")
    for variant in IDEAS:
        plan = toy(toy_catalog, variant)
        changed = {key for key, value in plan.settings.items() if plain.settings[key] != value}
        assert changed and changed <= {f"method.{key}" for key in spec.idea_options}
        assert dataclasses.replace(plan, method="", settings={}) == dataclasses.replace(plain, method="", settings={})


@pytest.mark.parametrize(
    ("variants", "settings", "changes", "words"),
    [
        ("map", ("method.map_teacher=motion",), {}, ("map_teacher=motion", "teachers=both")),
        ("order", ("method.pretext_epochs=2",), {}, ("pretext_epochs=2", "joint_epochs=2")),
        ("order", (), {"keep": "best", "holdout": "0.25"}, ("no classifier in its pretext task", "remove --keep")),
        ("transforms", (), {"backbone": "resnet3d-18", "enhancer": "denoise-bilinear", "size": "24x32",
                            "sampling": "clip-24", "modality": "rgb"}, ("stored low views have", "bilinear")),
        ("plain", ("method.pretext_clips=unlabelled",), {"unlabelled": "toy"}, ("pretext",)),
        ("speed", (), {"sampling": "1x4"}, ("speed", "6 frames")),
        ("motion", (), {"backbone": "toynet", "enhancer": "bilinear", "size": "24x32", "sampling": "4x1",
                        "modality": "rgb"}, ("optical flow", "single frames")),
        ("transforms", (), {"backbone": "toynet", "enhancer": "dbpn-s", "size": "24x32", "sampling": "4x1",
                            "modality": "rgb"}, ("trained enhancer 'dbpn-s'", "transforms=0")),
        ("transforms", (), {"backbone": "toynet", "enhancer": "bilinear", "size": "24x32", "sampling": "4x1",
                            "modality": "rgb+flow"}, ("transforms pictures", "rgb+flow")),
        ("motion", (), {"dataset": "tiny-puppets", "size": "16x16"}, ("optical flow", "native")),
        ("two-teachers", (), {"dataset": "tiny-puppets", "size": "16x16"}, ("teacher on optical flow", "native")),
        ("transforms", (), {"backbone": "toynet", "enhancer": "bilinear", "size": "24x32", "sampling": "4x1",
                            "modality": "flow"}, ("transforms pictures", "flow")),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_one_line(
    toy_catalog: Catalog, variants: str, settings: tuple[str, ...], changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(ElrError) as caught:
        toy(toy_catalog, variants, *settings, **changes)
    assert all(word in str(caught.value) for word in words) and "\n" not in str(caught.value)


def test_a_degradation_of_decoded_frames_alone_is_refused(toy_catalog: Catalog) -> None:
    catalog = replaced(toy_catalog, "degradations", "average-HxW", from_high=None)
    with pytest.raises(ElrError, match="works on decoded frames alone"):
        toy(catalog, "transforms")
    assert toy(catalog, "soft").method == "elr-distil:soft"


# -- runs


@pytest.mark.parametrize("variant", ["plain", *IDEAS, "transforms+soft+map+motion+pretext"])
def test_each_idea_trains_and_says_its_losses(toy_catalog: Catalog, tmp_path: Path, variant: str) -> None:
    modality = "rgb+dev+flow-early" if variant in ("plain", "pretext", "motion") else "rgb"
    result = go(toy_catalog, toy(toy_catalog, variant, modality=modality), tmp_path)
    losses = {key for row in history(result)["student"] for key in row} - {"epoch", "loss", "task"}
    expected = {"soft": {"soft"}, "two-teachers": {"soft"}, "map": {"map"}, "motion": {"flow"},
                "transforms+soft+map+motion+pretext": {"soft", "map", "flow"}}  # fmt: skip
    assert losses == expected.get(variant, set())
    ran = set(stages(result))
    assert ("teacher" in ran) == (variant in ("soft", "two-teachers", "map", "transforms+soft+map+motion+pretext"))
    assert ("teacher-motion" in ran) == (variant == "two-teachers")
    assert ("pretext" in ran) == (variant.rpartition("+")[2] in ("order", "speed", "masked", "pretext"))
    assert all(
        key.startswith(("backbone.", "head.", "enhancer.")) for key in scored(result)
    )  # nothing else is deployed


def test_the_pretext_tasks_take_turns(toy_catalog: Catalog, tmp_path: Path) -> None:
    result = go(toy_catalog, toy(toy_catalog, "pretext", "method.batch=8"), tmp_path)
    assert set(history(result)["pretext"][0]) == {"epoch", "order", "speed", "masked"}  # three batches


def test_the_teacher_is_the_one_of_method_teacher(toy_catalog: Catalog, tmp_path: Path) -> None:
    go(toy_catalog, toy(toy_catalog, "soft"), tmp_path)
    other = go(toy_catalog, toy(toy_catalog, "transforms+map"), tmp_path)
    assert stages(other) == {"teacher": True, "student": False}


def test_a_teacher_of_the_classifier_alone_keeps_its_other_layers(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = toy(toy_catalog, "soft", "method.teacher_layers=classifier")
    training = training_of(toy_catalog, plan, tmp_path)
    before = {key: value.clone() for key, value in training.teacher(head="mean-logits").state_dict().items()}
    found = teachers.trained_teachers(training).appearance
    assert found is not None
    changed = {key for key, value in found.network.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == {"backbone.fc.weight", "backbone.fc.bias"}


@pytest.mark.parametrize("where", ["pretext", "student"])
def test_a_killed_run_resumes_bit_identically(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    plan = toy(
        toy_catalog, "transforms+motion+map+pretext", "method.joint_epochs=4", "method.pretext_epochs=2",
        "method.transform_drift=1.0",
    )  # fmt: skip
    whole = go(toy_catalog, plan, tmp_path / "whole")
    calls, original = 0, Recipe.step

    def dies(self: Recipe, loss: torch.Tensor) -> None:
        nonlocal calls
        calls += 1
        if calls == dead:
            raise Killed
        original(self, loss)

    # two steps per epoch: teacher 2, pretext 4, student 4; killed in the second epoch of the stage
    dead = 5 if where == "pretext" else 9
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Recipe, "step", dies)
        go(toy_catalog, plan, tmp_path / "killed")
    resumed = go(toy_catalog, plan, tmp_path / "killed")
    assert same(scored(whole), scored(resumed))


def test_low_views_are_made_for_the_share_of_clips(toy_catalog: Catalog, tmp_path: Path) -> None:
    """Without a transform, blur and noise, made and stored low views are the same; all clips lose their box."""
    zero = ("method.transforms=1", "method.transform_shift=0", "method.transform_scale=1", "method.transform_angle=0")
    zero += ("method.colour_jitter=0", "method.mixup_alpha=0", "method.cutmix_time=0")
    plan = toy(toy_catalog, "transforms", *zero, degradation="average-12x16:clean", teacher_size="48x64")
    training = training_of(toy_catalog, plan, tmp_path)
    seen: list[float] = []

    def fn(module: torch.nn.Module) -> None:
        views = training.views("train", low=True, high=True)
        for batch in training.epochs(views, 1, state=[module]):
            made = augment.transformed(training, batch)
            assert made.box is not None and (made.box == made.box.new_tensor([0.0, 0, 1, 1, 0])).all()
            flipped = made.low.flip(-1)
            gap = torch.minimum((made.low - batch.low).abs().amax((1, 2, 3, 4, 5)),
                                (flipped - batch.low).abs().amax((1, 2, 3, 4, 5)))  # fmt: skip
            seen.extend((gap * 255).tolist())

    training.stage("look", fn, torch.nn.Linear(1, 1), needs=("low", "high", *RECIPE, *IDEA_OPTIONS))
    assert len(seen) == 24 and max(seen) <= 1.01


def test_unlabelled_clips_are_read_by_the_pretext_task(toy_catalog: Catalog, tmp_path: Path) -> None:
    few = ("dataset.train=24", "dataset.test=12")
    plan = toy(toy_catalog, "masked", "method.pretext_clips=unlabelled", *few, dataset="puppets", unlabelled="toy")
    result = go(toy_catalog, plan, tmp_path)
    assert set(stages(result)) == {"pretext", "student"}
    with pytest.raises(ElrError, match="--unlabelled"):
        toy(toy_catalog, "masked", "method.pretext_clips=unlabelled")


def test_weights_of_a_run_on_drawn_figures_start_another_dataset(toy_catalog: Catalog, tmp_path: Path) -> None:
    """The classifier is fresh, everything else is loaded, and the record says so; the teacher has its own weights."""
    modality = "rgb+dev+flow-early"
    first = go(toy_catalog, toy(toy_catalog, "plain", modality=modality), tmp_path)
    catalog, name = add_weights(toy_catalog, str(first.folder / "recognizer.safetensors"))
    plan = toy(
        catalog, "soft", "dataset.train=24", "dataset.test=12", dataset="puppets", weights=name, modality=modality
    )
    assert plan.weights == name and plan.teacher_weights == "scratch"
    second = go(catalog, plan, tmp_path)
    said = second.record["initialisation"]
    assert "classifier fresh: 3 -> 12 classes" in str(said) and name in str(said)
    training = training_of(catalog, plan, tmp_path)
    start = scored(first)
    for key, value in training.recognizer("student").state_dict().items():
        if not key.startswith(("head.", "backbone.fc")):
            assert torch.equal(value, start[key]), key


def test_the_time_of_every_stage_is_estimated(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = toy(toy_catalog, "transforms+two-teachers+map+motion+pretext")
    components = components_of(toy_catalog, plan)
    seconds = estimate_times(plan, components, clips=24, device=torch.device("cpu"), cache=tmp_path)
    assert set(seconds) == {"teacher", "teacher-motion", "pretext", "student"} and all(seconds.values())
