"""A run from end to end on the toy dataset, and its errors."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.provenance import owners_of
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.lists import list_data, read_index
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.preview import SAMPLE, preview
from benchmark_core.runs.record_of import is_control
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predictions import read_predictions
from elrbench import ElrError


def go(plan: Plan, catalog: Catalog, folder: Path, **asked: Any) -> RunResult:
    out, cache = folder / "out", folder / "cache"
    return run(plan, catalog, RunContext(**{"data": None, "out": out, "cache": cache, "reporter": Silent(), **asked}))


def test_a_record_agrees_with_its_predictions_file(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    result = go(toy_plan, toy_catalog, tmp_path)
    (path,) = (tmp_path / "out").glob("supervised-*.json")
    record = read_record(path)
    assert record == result.record
    assert record["digest"] == toy_plan.digest and Plan.from_json(record["plan"]) == toy_plan
    assert record["track"]["dataset"] == "toy" and record["updates"] == {"student": 4}
    assert record["changed"] == ["size", "method.batch"] or "method.batch" in record["changed"]
    predictions = read_predictions(tmp_path / "out" / record["predictions"]["file"])
    assert len(predictions.ids) == 12
    assert predictions.scored().to_json()["scores"] == record["scores"]


def test_the_saved_weights_are_the_recognizers(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    go(toy_plan, toy_catalog, tmp_path)
    module = recognizer_of(toy_plan, components_of(toy_catalog, toy_plan))
    module.load_state_dict(load_file(tmp_path / "out" / "recognizer.safetensors"))
    assert module(torch.rand(1, 2, 3, 1, 12, 16)).shape == (1, 3)


@pytest.mark.parametrize("method", ["cstat", "stat:rc", "supervised:matched", "teacher"])
def test_same_plan_same_predictions(toy_catalog: Catalog, method: str, tmp_path: Path) -> None:
    request = PlanRequest(
        method=method,
        dataset="toy",
        backbone="toynet",
        budget="smoke",
        size="24x32",
        settings=("method.batch=12", "method.epochs=1"),
    )
    plan = resolve_plan(toy_catalog, request)
    one, other = (go(plan, toy_catalog, tmp_path / name).record for name in "ab")
    assert not any(stage["reused"] for stage in other["stages"])
    assert one["predictions"] == other["predictions"]
    assert one["privileged"] is (method == "teacher") and one["control"] is (method == "supervised:matched")


def test_a_control_shares_its_students_first_phase(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    go(toy_plan, toy_catalog, tmp_path)
    matched = dataclasses.replace(
        toy_plan,
        method="supervised:matched",
        settings={**toy_plan.settings, "method.matched": True, "method.joint_epochs": 1},
    )
    stages = go(matched, toy_catalog, tmp_path).record["stages"]
    assert [(stage["name"], stage["reused"]) for stage in stages] == [("student", True), ("joint", False)]


def test_an_unwritable_folder_is_an_error_before_work_begins(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ElrError, match=f"the folder {blocked / 'out'} cannot be made: {blocked} is a file"):
        go(toy_plan, toy_catalog, tmp_path, out=blocked / "out")
    assert not (tmp_path / "cache").exists()


def test_a_dataset_without_its_folder(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = resolve_plan(toy_catalog, PlanRequest(method="supervised", dataset="jhmdb", budget="smoke"))
    with pytest.raises(ElrError, match="dataset 'jhmdb' needs its files: pass --data .*elrbench data info jhmdb"):
        go(plan, toy_catalog, tmp_path)
    with pytest.raises(ElrError, match="does not exist; expected in it:"):
        go(plan, toy_catalog, tmp_path, data=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ElrError, match="is empty; expected in it:"):
        go(plan, toy_catalog, tmp_path, data=tmp_path / "empty")


@pytest.mark.parametrize("method", ["supervised", "teacher"])
def test_the_training_time_is_estimated_before_clips_are_decoded(
    toy_catalog: Catalog, tmp_path: Path, method: str
) -> None:
    settings = ("method.epochs=1", "method.batch=12", "dataset.train=60")
    request = PlanRequest(
        method=method, dataset="toy", backbone="toynet", budget="small", size="24x32", settings=settings
    )
    plan = resolve_plan(toy_catalog, request)
    heard: list[str] = []

    class Hearing(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

        @contextmanager
        def steps(self, label: str, total: int, unit: str = "clips") -> Iterator[Callable[..., None]]:
            heard.append(label)
            if label == "train clips":
                heard.append(f"{len(list((tmp_path / 'cache').rglob('*.clip')))} decoded")
            yield lambda steps=1, **figures: None

    go(plan, toy_catalog, tmp_path, reporter=Hearing())
    estimates = [number for number, line in enumerate(heard) if line.startswith("training will take about ")]
    assert estimates == [heard.index("train clips") - 1]
    assert f"{SAMPLE} decoded" in heard  # a few clips, whose mean length the estimate needs


def test_a_preview_expects_the_inputs_that_training_then_has(toy_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("dataset.train=12", "dataset.test=6", "method.batch=6", "method.epochs=1")
    request = PlanRequest(
        method="cstat:mlp+rc+ut", dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings,
        unlabelled="toy",
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    components = components_of(toy_catalog, plan)
    context = RunContext(out=tmp_path, cache=tmp_path)
    listing = list_data(plan, components, toy_catalog, context)
    owners = {kind: owner.identity for kind, owner in owners_of(toy_catalog, components).items()}
    found = preview(plan, components, context, listing, owners)
    data = prepare(plan, components, context, listing)
    assert found.inputs == data.stage_inputs(owners) and found.inputs.unlabelled
    assert data.unlabelled is not None
    assert (found.clips, found.unlabelled) == (len(data.train), len(data.unlabelled.clips))
    assert (found.hr_source, found.frames) == (None, 8)


def test_an_embedded_dataset_takes_no_folder(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(ElrError, match="'toy' is drawn by code; leave out --data"):
        go(toy_plan, toy_catalog, tmp_path, data=tmp_path)


def test_bf16_runs_and_says_so(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    record = go(dataclasses.replace(toy_plan, precision="bf16"), toy_catalog, tmp_path).record
    assert "precision" in record["changed"] and json.dumps(record)


def test_a_natively_low_dataset_gives_its_own_high_views(toy_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("dataset.train=12", "dataset.test=6", "method.batch=6", "method.epochs=1", "method.joint_epochs=1")
    request = PlanRequest(
        method="cstat", dataset="tiny-puppets", backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    record = go(resolve_plan(toy_catalog, request), toy_catalog, tmp_path).record
    assert record["plan"]["high_source"] == "self" and record["primary"] == "f1_macro" and record["hits"] is None


def test_a_changed_or_removed_clip_changes_the_stage_inputs(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path
) -> None:
    components = components_of(toy_catalog, toy_plan)
    ready = prepare(toy_plan, components, RunContext(out=tmp_path, cache=tmp_path))
    fewer = dataclasses.replace(ready, train=ready.train[1:])
    clip = dataclasses.replace(ready.train[0], source=dataclasses.replace(ready.train[0].source, key="{}"))
    changed = dataclasses.replace(ready, train=(clip, *ready.train[1:]))
    assert len({data.stage_inputs({}).clips for data in (ready, fewer, changed)}) == 3


@pytest.mark.parametrize("fault", ["both", "twice", "strange"])
def test_inconsistent_lists_are_refused(toy_catalog: Catalog, toy_plan: Plan, fault: str, tmp_path: Path) -> None:
    components = components_of(toy_catalog, toy_plan)
    read = components.dataset.read_index(None, "one", toy_plan.options("dataset"))
    fold = read.folds["1"]
    broken = {
        "both": dataclasses.replace(read, folds={"1": dataclasses.replace(fold, test=fold.train[:1])}),
        "twice": dataclasses.replace(read, clips=(*read.clips, read.clips[0])),
        "strange": dataclasses.replace(read, folds={"1": dataclasses.replace(fold, test=("nobody",))}),
    }[fault]
    dataset = dataclasses.replace(components.dataset, index=lambda root, protocol, options: broken)
    message = {
        "both": "1 clips of fold 1 are in both train and test",
        "twice": "two clips have the id 'clip000'",
        "strange": "fold 1 names 'nobody', which is not among the listed clips",
    }[fault]
    with pytest.raises(ElrError, match=message):
        read_index(toy_plan, dataclasses.replace(components, dataset=dataset), None, "fail")


def test_a_control_must_have_the_options_of_its_variant(toy_catalog: Catalog, toy_plan: Plan) -> None:
    components = components_of(toy_catalog, toy_plan)
    matched = dataclasses.replace(toy_plan, method="supervised:matched")
    assert not is_control(matched, components)
    assert is_control(dataclasses.replace(matched, settings={**matched.settings, "method.matched": True}), components)


def test_two_plugin_files_of_one_name_have_different_identities(tmp_path: Path) -> None:
    owners = []
    for folder, text in (("a", "one"), ("b", "two")):
        path = tmp_path / folder / "mine.py"
        path.parent.mkdir()
        path.write_text(
            "from elrbench import EnhancerSpec, hookimpl\n\n\n@hookimpl\ndef elr_enhancers():\n"
            f"    return [EnhancerSpec(name='sharp', summary='{text}', factory=print)]\n"
        )
        loaded = load_catalog([str(path)], entry_points=False)
        owners.append(loaded.owner(loaded.enhancers["sharp"]).identity)
    assert owners[0] != owners[1]
