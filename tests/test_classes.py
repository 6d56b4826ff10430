"""`--classes A,B,C`: part of a dataset, marked in plan, track and record; runs on all classes do not change."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from videos import drawn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.classes import pick_classes, restrict, with_classes
from benchmark_core.plans.budgets import changed_from_budget
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.planfile import read_planfile
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.specs.index import Clip, Fold, Index
from elrbench import DatasetSpec, ElrError, Protocol

PLAN = Plan(
    method="supervised",
    dataset="toy",
    protocol="one",
    fold="1",
    degradation="average-12x16",
    high_source="",
    enhancer="bilinear",
    backbone="toynet",
    weights="scratch",
    modality="rgb",
    size=(24, 32),
    sampling="2x1",
    precision="fp32",
    budget="smoke",
    seed=0,
    settings={"dataset.train": 24, "method.epochs": 1},
)
DIGEST = "ef27842abee0820b"  # as it was before plans could name classes
FEWER = dataclasses.replace(PLAN, classes=("left", "moves"))


def labelled(number: int, target: int | tuple[int, ...] | None) -> Clip:
    return dataclasses.replace(drawn(number), target=target)


def spec(task: str = "single-label", **fields: object) -> DatasetSpec:
    protocols = {"one": Protocol(summary="", folds=("1",))}
    asked = {"classes": ("a", "b", "c", "d"), "protocols": protocols, "index": "m:f", "task": task, **fields}
    return DatasetSpec(name="letters", summary="", **asked)  # type: ignore[arg-type]


def test_a_plan_of_all_classes_is_what_it_was() -> None:
    assert "classes" not in PLAN.to_json() and PLAN.digest == DIGEST
    assert PLAN.protocol_name == "one"
    assert Plan.from_json(json.loads(json.dumps(PLAN.to_json()))) == PLAN


def test_a_plan_of_fewer_classes_survives_json_and_says_so() -> None:
    assert FEWER.to_json() == {**PLAN.to_json(), "classes": ["left", "moves"]}
    assert Plan.from_json(json.loads(json.dumps(FEWER.to_json()))) == FEWER
    assert FEWER.digest != PLAN.digest and FEWER.protocol_name == "one,classes=2-579ca485"
    others = dataclasses.replace(PLAN, classes=("left", "right"))
    assert others.protocol_name != FEWER.protocol_name


def test_a_plan_with_an_unknown_field_is_refused() -> None:
    with pytest.raises(ElrError, match="missing or unknown fields: colour; it was made by another version"):
        Plan.from_json({**FEWER.to_json(), "colour": "red"})


def test_classes_keep_the_datasets_order() -> None:
    assert pick_classes(spec(), ["d", "b", "d"]) == ("b", "d")
    assert pick_classes(spec(), ["d", "c", "b", "a"]) == ()  # all of them: the whole dataset
    assert pick_classes(spec("multi-label"), ["c"]) == ("c",)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("left,rigth", "unknown class of dataset 'toy' 'rigth'. Did you mean 'right'?"),
        ("left,", "unknown class of dataset 'toy' ''. Known: left, moves, right."),
        ("left", "--classes leaves only the class 'left' of dataset 'toy'"),
    ],
)
def test_what_is_refused(toy_catalog: Catalog, asked: str, message: str) -> None:
    with pytest.raises(ElrError) as caught:
        resolve_plan(toy_catalog, PlanRequest(method="supervised", dataset="toy", backbone="toynet", classes=asked))
    assert message in str(caught.value)


def test_targets_are_renumbered_and_folds_thinned() -> None:
    clips = tuple(labelled(number, number % 4) for number in range(8))
    ids = tuple(clip.id for clip in clips)
    index = Index(
        clips=clips,
        folds={"1": Fold(train=ids[:5], test=ids[5:])},
        missing=("a/x.avi", "b/y.avi", "somewhere"),
        missing_targets={"a/x.avi": 0, "b/y.avi": 1},
    )
    part = restrict(index, {1: 0, 3: 1})
    assert [(clip.id, clip.target) for clip in part.clips] == [
        ("clip-1", 0),
        ("clip-3", 1),
        ("clip-5", 0),
        ("clip-7", 1),
    ]
    assert part.folds["1"] == Fold(train=("clip-1", "clip-3"), test=("clip-5", "clip-7"))
    assert part.missing == ("b/y.avi", "somewhere") and part.missing_targets == {"b/y.avi": 0}
    assert part.digest() != index.digest()


def test_several_labels_keep_those_that_stay() -> None:
    clips = (labelled(0, (0, 2, 3)), labelled(1, (0,)), labelled(2, ()), labelled(3, (3,)), labelled(4, None))
    index = Index(
        clips=clips, folds={"1": Fold(train=("clip-0", "clip-1"), test=("clip-2", "clip-3"))}, unlabelled=("clip-4",)
    )
    part = restrict(index, {2: 0, 3: 1})
    assert [(clip.id, clip.target) for clip in part.clips] == [("clip-0", (0, 1)), ("clip-3", (1,)), ("clip-4", None)]
    assert part.folds["1"] == Fold(train=("clip-0",), test=("clip-3",)) and part.unlabelled == ("clip-4",)


def test_a_restricted_dataset_reads_a_restricted_index() -> None:
    clips = tuple(labelled(number, number % 4) for number in range(8))
    ids = tuple(clip.id for clip in clips)
    whole = spec(index=lambda root, protocol, options: Index(clips=clips, folds={protocol: Fold(train=ids, test=())}))
    part = with_classes(dataclasses.replace(whole, counts={"one": {"1": (8, 0)}}), ("b", "c"))
    assert part.classes == ("b", "c") and not part.counts
    assert part.read_index(None, "one", {}).folds["one"].train == ("clip-1", "clip-2", "clip-5", "clip-6")
    assert with_classes(whole, ()) is whole


def asked(**fields: object) -> PlanRequest:
    settings = ("method.batch=6", "method.epochs=1")
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    return PlanRequest(**{**usual, "settings": settings, **fields})  # type: ignore[arg-type]


def go(catalog: Catalog, request: PlanRequest, folder: Path, **more: object) -> RunResult:
    folders = {"data": None, "out": folder / "out", "cache": folder / "cache"}
    return run(resolve_plan(catalog, request), catalog, RunContext(**{**folders, "reporter": Silent(), **more}))  # type: ignore[arg-type]


def test_all_classes_by_name_are_the_whole_plan(toy_catalog: Catalog) -> None:
    plans = [resolve_plan(toy_catalog, asked(classes=classes)) for classes in (None, "moves,right,left", ())]
    assert len({plan.digest for plan in plans}) == 1
    plan = resolve_plan(toy_catalog, asked(classes="moves, left"))
    assert plan.classes == ("left", "moves") and components_of(toy_catalog, plan).dataset.classes == plan.classes
    assert changed_from_budget(toy_catalog, plan) == changed_from_budget(toy_catalog, plans[0])
    assert resolve_plan(toy_catalog, asked(classes=("left", "moves"))).digest == plan.digest


def test_a_planfile_names_classes_in_either_form(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("classes: [left, moves]\n")
    assert read_planfile(path) == {"classes": ("left", "moves")}
    path.write_text("classes: left,moves\n")
    assert read_planfile(path) == {"classes": "left,moves"}
    path.write_text("method: [left, moves]\n")
    with pytest.raises(ElrError, match="'method' is .*, not one name or number"):
        read_planfile(path)


@pytest.mark.parametrize("method", ["supervised", "cstat"])
def test_a_run_on_fewer_classes_says_so(toy_catalog: Catalog, method: str, tmp_path: Path) -> None:
    request = asked(method=method, classes="left,moves")
    record = go(toy_catalog, request, tmp_path).record
    plan = resolve_plan(toy_catalog, request)
    assert record["track"]["protocol"] == plan.protocol_name and record["plan"]["protocol"] == "one"
    assert record["per_class"]["classes"] == record["plan"]["classes"] == ["left", "moves"]
    assert record["dataset"]["classes"] == 2 and record["structure"].split("-")[-2] == "2"
    assert (record["clips"]["train"], record["clips"]["test"]) == (16, 8)  # of 24 and 12
    (path,) = (tmp_path / "out").glob(f"*{plan.digest}.json")
    assert read_record(path)["plan"]["classes"] == ["left", "moves"]
    predictions = read_predictions(tmp_path / "out" / record["predictions"]["file"])
    assert predictions.classes == ("left", "moves") and set(predictions.targets) == {0, 1}


def test_fewer_classes_share_no_stage_with_the_whole(toy_catalog: Catalog, tmp_path: Path) -> None:
    go(toy_catalog, asked(), tmp_path)
    stages = go(toy_catalog, asked(classes="left,moves"), tmp_path, out=tmp_path / "other").record["stages"]
    assert not any(stage["reused"] for stage in stages)


def test_several_labels_run_on_one_class(toy_catalog: Catalog, tmp_path: Path) -> None:
    names = toy_catalog.datasets["tiny-puppets"].classes
    settings = ("dataset.train=30", "dataset.test=15", "method.batch=6", "method.epochs=1")
    record = go(
        toy_catalog, asked(dataset="tiny-puppets", classes=",".join(names[:3]), settings=settings), tmp_path
    ).record
    assert record["per_class"]["classes"] == list(names[:3]) and record["primary"] == "f1_macro"
    assert 0 < record["clips"]["train"] < 30 and 0 < record["clips"]["test"] < 15


def test_those_who_hold_some_classes_can_run(toy_catalog: Catalog, tmp_path: Path) -> None:
    """Two of UCF101's classes lie there: whole, they need no --bad-clips skip."""
    from test_ucf101 import write_lists
    from videos import random_planes, write_planes

    files = [f"{name}/v_{name}_g{group:02d}_c01.avi" for group in (8, 1) for name in ("YoYo", "Archery")]
    others = [f"Biking/v_Biking_g{group:02d}_c01.avi" for group in (8, 1)]
    write_lists(tmp_path, (*files[:2], others[0]), (*files[2:], others[1]))
    for seed, file in enumerate(files):
        path = tmp_path / "UCF-101" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_planes(path, random_planes(3, 24, 32, seed=seed), "yuv420p", codec="mpeg4")
    settings = ("method.batch=2", "method.epochs=1")
    with pytest.raises(ElrError, match="2 of 6 listed clips are not under"):
        go(toy_catalog, asked(dataset="ucf101", settings=settings), tmp_path, data=tmp_path)
    record = go(
        toy_catalog, asked(dataset="ucf101", classes="YoYo,Archery", settings=settings), tmp_path, data=tmp_path
    ).record
    assert record["per_class"]["classes"] == ["Archery", "YoYo"] and record["clips"]["test"] == 2
    assert record["track"]["protocol"].startswith("3splits,classes=2-") and record["clips"]["bad"] == []
