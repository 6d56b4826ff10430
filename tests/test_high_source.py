"""Natively low clips whose high views come from larger clips of the same classes."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_virat import FILM, write_crops, write_first
from videos import random_planes, write_planes

from benchmark_core.catalog import Catalog, Section
from benchmark_core.clips.classes import with_classes
from benchmark_core.clips.degraded import degrade_to
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.extra_data import clip_set, list_hr_source
from benchmark_core.runs.lists import list_data
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.keys import StageInputs
from elrbench import ElrError
from elrbench_plugins.tinyvirat import CLASSES

STAGES = ["teacher-tam", "student", "joint", "target"]
INPUTS = StageInputs(
    clips="c", low="l", high="h", crop="none",
    owners=dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench"),
)  # fmt: skip


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """TinyVIRAT, and larger crops."""
    folder = tmp_path_factory.mktemp("data")
    return write_first(folder / "tinyvirat"), write_crops(folder / "virat-crops")


def asked(method: str = "cstat", source: str | None = "virat-crops", *settings: str, **changes: Any) -> PlanRequest:
    numbers = ("method.batch=2", "method.epochs=1", *settings)
    fields = {"dataset": "tinyvirat", "backbone": "toynet", "budget": "smoke", "size": "32x32", "sampling": "2x1"}
    joint = ("method.joint_epochs=1",) if method != "teacher" else ()
    return PlanRequest(method=method, high_source=source, settings=(*numbers, *joint), **{**fields, **changes})


def ready(catalog: Catalog, plan: Plan, roots: tuple[Path, Path], cache: Path) -> Data:
    context = RunContext(data=roots[0], out=cache, cache=cache, extra=ExtraPaths(high_source=roots[1]))
    components = components_of(catalog, plan)
    return prepare(plan, components, context, list_data(plan, components, catalog, context))


def go(catalog: Catalog, plan: Plan, roots: tuple[Path, Path], work: Path, **changes: Any) -> RunResult:
    return run(
        plan,
        catalog,
        RunContext(
            data=roots[0],
            out=work / plan.digest,
            cache=work / "cache",
            reporter=Silent(),
            extra=ExtraPaths(high_source=roots[1], **changes),
        ),
    )


# -- views


def test_high_views_are_of_the_hr_source_and_their_low_views_have_the_targets_sizes(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    data = ready(toy_catalog, resolve_plan(toy_catalog, asked()), roots, tmp_path)
    pairs = data.training_views(low=True, high=True, seed=0)
    seen = set()
    for epoch in range(12):
        batch = next(iter(pairs.batches(4, epoch=epoch)))
        assert {name.split("/")[0] for name in batch.ids} == {"train"} and isinstance(batch.low, list)
        assert [labels.nonzero().flatten().tolist() for labels in batch.target] == [
            [int(name[-5:]) + 3] for name in batch.ids
        ]
        for low, high in zip(batch.low, batch.high or (), strict=True):
            assert min(high.shape[-2:]) >= 112
            seen.add(min(low.shape[-2:]))
            rows, columns = high.shape[-2:]
            assert low.shape[-2] / low.shape[-1] == pytest.approx(rows / columns, rel=0.08)
    assert seen >= {10, 11, 37, 52, 90}  # shorter sides of the training clips; at 128 most crops keep their size
    assert seen - {10, 11, 37, 52, 90} <= {112, 120, 128}
    own = data.training_views(low=True, high=False, seed=0)
    sizes = {min(clip.shape[-2:]) for clip in next(iter(own.batches(6))).low or ()}
    assert sizes == {10, 37, 128, 52, 11, 90}  # as recorded


def test_a_pair_is_the_average_of_its_crop() -> None:
    crop = np.arange(2 * 3 * 1 * 8 * 12, dtype=np.uint8).reshape(2, 3, 1, 8, 12)  # (K, 3, T, H, W)
    low = degrade_to(crop, 4)
    assert low.shape == (2, 3, 1, 4, 6)
    mean = crop.reshape(2, 3, 1, 4, 2, 6, 2).astype(float).mean((4, 6))
    assert np.abs(low - mean).max() <= 0.5
    assert degrade_to(crop, 8) is crop and degrade_to(crop, 99) is crop  # never enlarged


def test_without_an_hr_source_clips_give_their_own_high_views(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    plan = resolve_plan(toy_catalog, asked(source=None))
    assert plan == resolve_plan(toy_catalog, asked(source="self")) and plan.high_source == "self"
    data = ready(toy_catalog, plan, roots, tmp_path)
    batch = next(iter(data.training_views(low=True, high=True, seed=0).batches(6)))
    assert sorted(min(clip.shape[-2:]) for clip in batch.high or ()) == [10, 11, 37, 52, 90, 128]


def test_labels_are_matched_by_name(toy_catalog: Catalog, roots: tuple[Path, Path]) -> None:
    source = clip_set(toy_catalog, "virat-crops", roots[1], "")
    part = with_classes(toy_catalog.datasets["tinyvirat"], (CLASSES[4], CLASSES[6]))
    assert [clip.target for clip in list_hr_source(source, part, "fail").clips] == [(0,), (1,)]
    turned = dataclasses.replace(source.spec, classes=CLASSES[::-1])
    clips = list_hr_source(dataclasses.replace(source, spec=turned), toy_catalog.datasets["tinyvirat"], "fail").clips
    assert [clip.target for clip in clips] == [(25 - number - 3,) for number in range(4)]


# -- runs


@pytest.mark.parametrize("method", ["cstat", "stat"])
def test_the_student_ends_on_the_target(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path, method: str
) -> None:
    record = go(toy_catalog, resolve_plan(toy_catalog, asked(method)), roots, tmp_path).record
    assert [stage["name"] for stage in record["stages"]] == STAGES
    # batches of two: four crops for teacher and pairs, six target clips for the student
    assert record["updates"] == {"teacher-tam": 2, "student": 3, "joint": 2, "target": 3}
    assert record["plan"]["high_source"] == "virat-crops"
    told = record["high_source"]
    assert (told["name"], told["clips"], told["tested"], told["bad"]) == ("virat-crops", 4, 0, [])
    assert record["clips"]["train"] == 6 and record["clips"]["test"] == 6
    (path,) = (tmp_path / record["digest"]).glob(f"{method}-*.json")
    assert Plan.from_json(read_record(path)["plan"]).hr_source == "virat-crops"


def test_the_last_phase_is_the_same_on_a_joint_phase_that_is_reused(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    plan = resolve_plan(toy_catalog, asked("stat"))  # its joint phase keeps BatchNorm statistics fixed
    weights = []
    for _ in range(2):
        record = go(toy_catalog, plan, roots, tmp_path).record
        weights.append(load_file(tmp_path / plan.digest / "recognizer.safetensors"))
        (target,) = (tmp_path / "cache" / "stages").glob("target-*")
        shutil.rmtree(target)
    assert [stage["reused"] for stage in record["stages"]] == [True, True, True, False]
    assert [name for name in weights[0] if not torch.equal(weights[0][name], weights[1][name])] == []


def test_other_crops_train_the_stages_on_high_views_again(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    crops = tmp_path / "crops"
    shutil.copytree(roots[1], crops)
    go(toy_catalog, resolve_plan(toy_catalog, asked("supervised", None)), roots, tmp_path)
    plan = resolve_plan(toy_catalog, asked())
    first = go(toy_catalog, plan, (roots[0], crops), tmp_path).record
    entries = json.loads((crops / "crops_train.json").read_text())
    (crops / "crops_train.json").write_text(json.dumps(entries[:3]))
    with pytest.raises(ElrError, match="the clips of virat-crops differ from those of run"):
        go(toy_catalog, plan, (roots[0], crops), tmp_path)
    next((tmp_path / plan.digest).glob("*-????????????????.json")).unlink()
    second = go(toy_catalog, plan, (roots[0], crops), tmp_path).record
    own = go(toy_catalog, resolve_plan(toy_catalog, asked(source=None)), roots, tmp_path).record
    reused = [{stage["name"]: stage["reused"] for stage in record["stages"]} for record in (first, second, own)]
    assert reused[0] == dict.fromkeys(STAGES, False) | {"student": True}
    assert reused[1] == dict.fromkeys(STAGES, False) | {"student": True}
    assert reused[2] == {"teacher-tam": False, "student": True, "joint": False}


def test_a_crop_that_is_a_test_clip_is_left_out(toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path) -> None:
    crops = tmp_path / "crops"
    shutil.copytree(roots[1], crops)
    tested = next((roots[0] / "videos" / "test" / FILM).iterdir())
    shutil.copy(tested, crops / "videos" / "train" / FILM / "00001.mp4")
    told = go(toy_catalog, resolve_plan(toy_catalog, asked()), (roots[0], crops), tmp_path).record["high_source"]
    assert (told["clips"], told["tested"]) == (3, 1)


def test_absent_crops_are_an_error_before_clips_are_decoded(
    toy_catalog: Catalog, roots: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "crops").mkdir()
    with pytest.raises(ElrError, match="the folder .*crops is empty"):
        go(toy_catalog, resolve_plan(toy_catalog, asked()), (roots[0], tmp_path / "crops"), tmp_path)
    assert not list((tmp_path / "cache").rglob("*.clip"))


def test_an_estimate_counts_the_clips_that_a_stage_reads(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = resolve_plan(toy_catalog, asked())
    asking = {"inputs": INPUTS, "device": torch.device("cpu"), "cache": tmp_path, "clips": 4}
    few, many = (
        estimate_times(plan, components_of(toy_catalog, plan), hr_source=source, **asking) for source in (4, 4000)
    )
    assert list(few) == STAGES
    for name in ("teacher-tam", "joint"):
        assert many[name] > 50 * few[name] > 0
    for name in ("student", "target"):
        assert many[name] < 20 * few[name]


# -- what is refused


def other_task(catalog: Catalog) -> Catalog:
    """Add the crops as a single-label set, and a set with other classes."""
    crops = catalog.datasets["virat-crops"]
    more = {
        "one-label": dataclasses.replace(crops, name="one-label", task="single-label", metric=""),
        "strange": dataclasses.replace(crops, name="strange", classes=(*CLASSES[:3], "Jumping", "Diving")),
    }
    return dataclasses.replace(catalog, datasets=Section("dataset", {**catalog.datasets, **more}))


@pytest.mark.parametrize(
    ("source", "changes", "message"),
    [
        ("virat-crop", {}, "unknown dataset 'virat-crop'. Did you mean 'virat-crops'?"),
        ("tinyvirat", {}, "--high-source tinyvirat is the run's own dataset"),
        ("one-label", {}, "--high-source one-label is single-label; pass a multi-label dataset"),
        ("strange", {}, "2 of its 5 classes are not classes of dataset 'tinyvirat' (first: 'Jumping')"),
        (
            "virat-crops",
            {"method": "supervised"},
            "uses high views of another dataset; remove --high-source",
        ),
        ("virat-crops", {"degradation": "average-12x16"}, "remove --high-source"),
        ("self", {"method": "supervised"}, "remove --high-source self"),
        ("self", {"degradation": "average-12x16"}, "remove --high-source self"),
    ],
)
def test_an_unusable_hr_source_is_refused(
    toy_catalog: Catalog, source: str, changes: dict[str, str], message: str
) -> None:
    with pytest.raises(ElrError) as caught:
        resolve_plan(other_task(toy_catalog), asked(**{"source": source, **changes}))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_hr_source_needs_labels(toy_catalog: Catalog, tmp_path: Path) -> None:
    write_planes(tmp_path / "a.mp4", random_planes(2, 24, 32), "yuv420p", codec="libx264")
    catalog, name = toy_catalog.with_folder(f"videos:{tmp_path}")
    with pytest.raises(ElrError, match=r"has no labels; pass a multi-label dataset"):
        resolve_plan(catalog, asked(source=name))
