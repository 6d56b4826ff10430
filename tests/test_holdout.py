"""`--holdout SHARE`: clips held out of training to choose numbers by, by whole groups; test clips are not looked at."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from videos import drawn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.validation import (
    classes_not_held_out,
    read_validation_fraction,
    validation_ids,
    with_validation_split,
)
from benchmark_core.plans.budgets import at_budget, changed_from_budget
from benchmark_core.plans.planfile import fields_of, read_planfile
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.publish import publish
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.scoring.predictions import read_predictions
from benchmark_core.specs.index import Clip, Fold, Index
from benchmark_core.tables import build_tables
from elrbench import DatasetSpec, ElrError, Protocol


def labelled(number: int, target: int | tuple[int, ...] | None, group: str = "") -> Clip:
    return dataclasses.replace(drawn(number), target=target, group=group)


def spec(clips: list[Clip], test: int = 0) -> DatasetSpec:
    ids = tuple(clip.id for clip in clips)
    fold = Fold(train=ids[test:], test=ids[:test])
    return DatasetSpec(
        name="letters",
        summary="",
        classes=("a", "b"),
        protocols={"one": Protocol(summary="", folds=("1",))},
        counts={"one": {"1": (len(ids) - test, test)}},
        index=lambda root, protocol, options: Index(clips=tuple(clips), folds={"1": fold}),  # type: ignore[arg-type]
    )


# -- which clips


def test_every_class_gives_its_share() -> None:
    clips = [labelled(number, number % 3) for number in range(90)]
    held = validation_ids(clips, 0.2)
    assert Counter(clip.target for clip in clips if clip.id in held) == {0: 6, 1: 6, 2: 6}
    random.Random(1).shuffle(clips)
    assert validation_ids(clips, 0.2) == held  # whatever their order
    assert held < validation_ids(clips, 0.4)  # a larger share holds out more, not others


def test_a_groups_clips_are_held_out_together() -> None:
    films = [labelled(number, number % 2, f"film-{number // 4}-{number % 2}") for number in range(80)]  # 2 clips each
    held = validation_ids(films, 0.25)
    assert Counter(clip.target for clip in films if clip.id in held) == {0: 10, 1: 10}
    assert not {clip.group for clip in films if clip.id in held} & {clip.group for clip in films if clip.id not in held}
    people = [labelled(number, number % 4, f"subject-{number // 8}") for number in range(80)]  # 10, of all classes
    held = validation_ids(people, 0.25)
    assert len({clip.group for clip in people if clip.id in held}) in (2, 3) and len(held) in (16, 24)


def test_a_group_that_is_as_far_above_the_share_as_none_is_below_it_is_held_out() -> None:
    """Two classes of four clips, one subject with two of each. A share of 1/4 is one clip of each class.

    With the subject held out, each class is one clip above its share; without, one below.
    """
    subject = {0: "a", 1: "a", 2: "b", 3: "b"}
    clips = [labelled(number, number % 2, f"subject-{subject[number // 2]}") for number in range(8)]
    held = validation_ids(clips, 0.25)
    assert Counter(clip.target for clip in clips if clip.id in held) == {0: 2, 1: 2}
    assert len({clip.group for clip in clips if clip.id in held}) == 1


@pytest.mark.parametrize("share", [0.1, 0.2, 0.5])
def test_groups_of_several_classes_do_not_add_up_beyond_the_share(share: float) -> None:
    """Forty scenes of five clips, each of several of six classes: all classes together are within a scene of it."""
    clips = [labelled(i, ((i // 5 + i) % 6, (i + 2 + i // 7) % 6), f"scene-{i // 5}") for i in range(200)]
    assert abs(len(validation_ids(clips, share)) - share * 200) <= 5


def test_a_class_of_which_no_clip_is_held_out_is_told() -> None:
    clips = [*(labelled(number, 0) for number in range(10)), *(labelled(10 + n, 1, f"pair-{n % 2}") for n in range(8))]
    held = validation_ids(clips, 0.1)  # half of class 1 is too much
    apart = [[clip for clip in clips if (clip.id in held) == here] for here in (False, True)]
    assert len(held) == 1 and classes_not_held_out(*apart) == [1] and classes_not_held_out(clips, clips) == []


def test_a_share_is_met_as_nearly_as_groups_allow() -> None:
    three = [labelled(number, number % 2, f"subject-{number // 4}") for number in range(12)]
    assert len(validation_ids(three, 0.25)) == 4  # a third is nearer than nothing
    assert validation_ids(three, 0.1) == set()


def test_every_class_keeps_clips_to_train_on() -> None:
    clips = [labelled(0, 0), labelled(1, 1), labelled(2, 1)]
    assert len(validation_ids(clips, 0.5)) == 1 and "clip-0" not in validation_ids(clips, 0.5)
    several = [labelled(0, (0, 1)), labelled(1, (1,)), labelled(2, (1, 2)), labelled(3, (2,)), labelled(4, (0,))]
    held = validation_ids(several, 0.5)
    left = [label for clip in several if clip.id not in held for label in clip.target]  # type: ignore[union-attr]
    assert held and set(left) == {0, 1, 2}


@pytest.mark.parametrize("text", ["", "0.6", "1", "-0.1", "some", "nan"])
def test_a_share_that_is_none(text: str) -> None:
    with pytest.raises(ElrError, match=f"--holdout '{text}' is not a fraction of the training clips from 0 to 0.5"):
        read_validation_fraction(text)


def test_a_dataset_without_its_test_clips() -> None:
    clips = [labelled(number, number % 2) for number in range(24)]
    whole = spec(clips, test=4)
    assert with_validation_split(whole, 0.0, "one", "1") is whole
    part = with_validation_split(whole, 0.2, "one", "1")
    fold = part.read_index(None, "one", {}).folds["1"]
    assert not part.counts and len(fold.test) == 4 and len(fold.train) == 16
    assert {*fold.test, *fold.train} == {clip.id for clip in clips[4:]}


def test_what_cannot_be_parted_is_refused() -> None:
    clips = [labelled(number, number % 2, "the one subject") for number in range(8)]
    with pytest.raises(ElrError, match=r"letters: --holdout 0.1 holds out no clip of fold 1: its groups"):
        with_validation_split(spec(clips), 0.1, "one", "1").read_index(None, "one", {})


def test_one_fold_stands_alone(toy_catalog: Catalog) -> None:
    """What folds hold out overlaps, and is what others test on: nothing that could be added up over them."""
    plan = resolve_plan(toy_catalog, PlanRequest(method="supervised", dataset="ixmas-11", fold="julien", holdout=0.2))
    dataset = components_of(toy_catalog, plan).dataset
    assert list(dataset.protocols) == [plan.protocol] and dataset.protocols[plan.protocol].folds == ("julien",)
    assert plan.protocol_name == f"{plan.protocol},fold=julien,holdout=0.2"


# -- plans


def asked(**fields: Any) -> PlanRequest:
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    return PlanRequest(**{**usual, "settings": ("method.batch=6", "method.epochs=1"), **fields})


def test_a_plan_says_so_and_others_are_what_they_were(toy_catalog: Catalog, tmp_path: Path) -> None:
    whole, part = (resolve_plan(toy_catalog, asked(holdout=share)) for share in (None, "0.25"))
    assert "holdout" not in whole.to_json() and whole.protocol_name == "one"
    assert part.to_json()["holdout"] == 0.25 and part.protocol_name == "one,fold=1,holdout=0.25"
    assert resolve_plan(toy_catalog, asked(holdout="0")) == whole
    assert resolve_plan(toy_catalog, asked(holdout=0.1234567)).protocol_name == "one,fold=1,holdout=0.1234567"
    assert part.digest != whole.digest
    assert changed_from_budget(toy_catalog, part) == changed_from_budget(toy_catalog, whole)
    assert resolve_plan(toy_catalog, asked(holdout=0.25)) == part
    assert resolve_plan(toy_catalog, PlanRequest(**fields_of(part.to_json(), {}))) == part
    assert at_budget(toy_catalog, part, "small").holdout == 0.25
    fewer = resolve_plan(toy_catalog, asked(holdout=0.25, classes="left,moves"))
    assert fewer.protocol_name.startswith("one,classes=2-") and fewer.protocol_name.endswith(",fold=1,holdout=0.25")
    path = tmp_path / "plan.yaml"
    path.write_text("holdout: 0.25\n")
    assert read_planfile(path) == {"holdout": "0.25"}


# -- runs


def go(catalog: Catalog, folder: Path, **fields: Any) -> RunResult:
    plan = resolve_plan(catalog, asked(**fields))
    return run(
        plan, catalog, RunContext(data=None, out=folder / plan.digest, cache=folder / "cache", reporter=Silent())
    )


def test_a_run_is_tested_on_training_clips(toy_catalog: Catalog, tmp_path: Path) -> None:
    whole, part = go(toy_catalog, tmp_path), go(toy_catalog, tmp_path, holdout=0.25)
    plan = resolve_plan(toy_catalog, asked())
    index = components_of(toy_catalog, plan).dataset.read_index(None, "one", plan.options("dataset"))
    (path,) = part.folder.glob("*.predictions.csv.gz")
    assert set(read_predictions(path).ids) < set(index.folds["1"].train)
    record = part.record
    assert (record["clips"]["train"], record["clips"]["test"]) == (18, 6)  # of 24, and none of the 12 test clips
    assert record["track"]["protocol"] == "one,fold=1,holdout=0.25" and record["track"]["folds"] == ["1"]
    assert record["dataset"]["manifest"] != whole.record["dataset"]["manifest"]
    assert not any(stage["reused"] for stage in record["stages"])
    (path,) = part.folder.glob("supervised-*.json")
    assert read_record(path)["plan"]["holdout"] == 0.25


def test_its_table_is_another(toy_catalog: Catalog, tmp_path: Path) -> None:
    board = tmp_path / "board"
    board.mkdir()
    for fields in ({}, {"holdout": 0.25}):
        publish(go(toy_catalog, tmp_path, **fields).folder, board)
    pages = {path.parent.name for path in build_tables(board).files if path.suffix == ".csv"}
    assert {"one", "one,fold=1,holdout=0.25"} <= pages
