"""Unlabelled clips as extra data in a plan: which methods use them, which clips are left out, which stages change."""

from __future__ import annotations

import dataclasses
import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_virat import spread, write_part, write_second
from unlabelled_plans import ASKS, asked
from videos import film

from benchmark_core.catalog import Catalog
from benchmark_core.plans.budgets import changed_from_budget
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of, resolve_plan
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.extra_data import clip_set, list_unlabelled
from benchmark_core.runs.lists import list_data
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.training.keys import StageInputs, stage_numbers
from elrbench import ElrError

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)


# -- names


def test_a_method_that_needs_unlabelled_clips_requires_the_flag(toy_catalog: Catalog) -> None:
    with pytest.raises(
        ElrError, match=r"'cstat:\S+' with method.unlabelled=attention .*pass e.g. --unlabelled videos:"
    ):
        resolve_plan(toy_catalog, asked("toy", ASKS))
    plan = resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled="puppets"))
    assert plan.unlabelled == "puppets" and plan.to_json()["unlabelled"] == "puppets"
    assert Plan.from_json(plan.to_json()) == plan
    assert changed_from_budget(toy_catalog, plan)  # a plan without its settings may need no unlabelled clips


@pytest.mark.parametrize("method", ["cstat", "supervised"])
def test_unused_unlabelled_clips_are_refused(toy_catalog: Catalog, method: str) -> None:
    with pytest.raises(ElrError, match=f"method '{method}.*'puppets'; remove --unlabelled"):
        resolve_plan(toy_catalog, asked(method=method, unlabelled="puppets"))


@pytest.mark.parametrize("row", ["teacher", "student"])
def test_unlabelled_clips_that_the_scored_network_does_not_use_are_refused(toy_catalog: Catalog, row: str) -> None:
    with pytest.raises(ElrError, match=rf"{row} alone .*'puppets'; remove --unlabelled and method.unlabelled$"):
        resolve_plan(toy_catalog, asked(method=f"cstat:{row}+ut", unlabelled="puppets"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pupets", "unknown dataset 'pupets'. Did you mean 'puppets'?"),
        ("ixmas-11:eplf", "unknown variant of dataset 'ixmas-11': 'eplf'"),
        ("videos", "dataset 'videos' is a folder"),
        ("videos:Not a name", "dataset 'videos:Not a name' is a folder"),
    ],
)
def test_an_unknown_unlabelled_set_is_named(toy_catalog: Catalog, name: str, message: str) -> None:
    with pytest.raises(ElrError) as caught:
        resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled=name))
    assert message in str(caught.value)


def test_a_natively_low_track_takes_only_natively_low_unlabelled_clips(toy_catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="--unlabelled hmdb51 has clips of full size"):
        resolve_plan(toy_catalog, asked("tiny-puppets", ASKS, unlabelled="hmdb51"))
    assert resolve_plan(toy_catalog, asked("tiny-puppets", ASKS, unlabelled="tinyvirat-v2")).high_source == "self"


def test_an_unlabelled_set_may_be_named_before_its_folder_is_given(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled="videos:kinetics"))
    with pytest.raises(ElrError, match="folder kinetics does not exist"):
        clip_set(toy_catalog, plan.unlabelled, None, "--unlabelled-data")
    film(tmp_path / "a.mp4", 40)
    pool = clip_set(toy_catalog, plan.unlabelled, tmp_path, "--unlabelled-data")
    assert (pool.name, len(list_unlabelled(pool, plan, "fail").clips)) == ("videos:kinetics", 1)


def test_two_folders_cannot_share_a_name(toy_catalog: Catalog, tmp_path: Path) -> None:
    for side in ("a", "b"):
        film(tmp_path / side / "clips" / "one.mp4", 40)
    catalog, name = toy_catalog.with_folder(f"videos:{tmp_path / 'a' / 'clips'}")
    with pytest.raises(ElrError, match=r"a/clips and .*b/clips give one dataset name 'videos:clips'"):
        catalog.with_folder(f"videos:{tmp_path / 'b' / 'clips'}")
    with pytest.raises(ElrError, match="give one dataset name 'videos:clips'"):
        catalog.with_folder(name, tmp_path / "b" / "clips")
    assert catalog.with_folder(f"videos:{tmp_path / 'a' / 'clips'}")[1] == name


# -- keys


def test_unlabelled_clips_change_only_keys_of_stages_that_need_them(toy_catalog: Catalog) -> None:
    plan = resolve_plan(toy_catalog, asked())
    pooled = dataclasses.replace(plan, unlabelled="puppets")
    module = torch.nn.Linear(1, 1)

    def numbers(plan: Plan, *needs: str, pool: str = "") -> dict[str, Any]:
        return stage_numbers(plan, dataclasses.replace(INPUTS, unlabelled=pool), needs, (), module)

    assert numbers(plan, "low", "high") == numbers(pooled, "low", "high", pool="p")
    assert numbers(plan, "low", "unlabelled") == numbers(plan, "low")  # a stage that names every option
    assert numbers(pooled, "unlabelled", pool="p")["unlabelled"] == ["puppets", "p"]
    assert numbers(pooled, "unlabelled", pool="p") != numbers(pooled, "unlabelled", pool="q")


# -- clips


def ready(catalog: Catalog, plan: Plan, cache: Path, data: Path | None = None, pool: Path | None = None) -> Data:
    context = RunContext(data=data, out=cache, cache=cache, extra=ExtraPaths(unlabelled=pool))
    components = components_of(catalog, plan)
    return prepare(plan, components, context, list_data(plan, components, catalog, context))


def test_training_clips_may_be_the_unlabelled_set_and_test_clips_may_not(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled="toy"))
    data = ready(toy_catalog, plan, tmp_path)
    assert data.unlabelled is not None and data.unlabelled.tested == 0
    assert [clip.id for clip in data.unlabelled.clips] == [clip.id for clip in data.train]
    assert {clip.target for clip in data.unlabelled.clips} == {None}
    views = data.training_views(low=True, high=True, seed=3, unlabelled=True)
    batch = next(iter(views.batches(4)))
    assert batch.target.tolist() == [-1] * 4 and batch.low is not None and batch.high is not None
    labelled = next(iter(data.training_views(low=True, high=True, seed=3).batches(4)))
    assert labelled.ids == batch.ids and torch.equal(labelled.low, batch.low) and min(labelled.target.tolist()) >= 0


@pytest.mark.parametrize("release", ["", ":epfl"])
def test_an_unlabelled_set_of_the_same_dataset_is_of_the_same_fold(
    toy_catalog: Catalog, tmp_path: Path, release: str
) -> None:
    """Also in another release, whose files show the same performances."""
    for actor, camera in itertools.product(("alba", "julien", "nicolas"), ("cam0", "cam1")):
        (tmp_path / f"{actor}1_01_check-watch_{camera}_frames_0001_0002.avi").touch()
    plan = resolve_plan(toy_catalog, asked(f"ixmas-11{release}", ASKS, fold="julien", unlabelled="ixmas-11:epfl"))
    pool = list_unlabelled(clip_set(toy_catalog, "ixmas-11:epfl", tmp_path, ""), plan, "skip").clips
    assert sorted(clip.id.split("1_")[0] for clip in pool) == ["alba", "alba", "nicolas", "nicolas"]
    first = resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled="ixmas-11:epfl"))
    other = list_unlabelled(clip_set(toy_catalog, "ixmas-11:epfl", tmp_path, ""), first, "skip").clips
    assert {clip.group for clip in other} == {"julien", "nicolas"}  # the first fold tests alba


def test_the_unlabelled_clips_of_the_second_release_are_the_challenges_test_clips(
    toy_catalog: Catalog, tmp_path: Path
) -> None:
    root = write_second(tmp_path / "data", train=3, val=3, test=3)
    plan = resolve_plan(
        toy_catalog, asked("tinyvirat-v2", ASKS, unlabelled="tinyvirat-v2", size="32x32", sampling="2x1")
    )
    data = ready(toy_catalog, plan, tmp_path / "cache", root, root)
    assert data.unlabelled is not None
    assert [clip.id for clip in data.unlabelled.clips] == ["test/00000", "test/00001", "test/00002"]
    batch = next(iter(data.training_views(low=True, high=True, seed=0, unlabelled=True).batches(3)))
    assert batch.target.shape == (3, 26) and not batch.target.any()
    assert [tuple(clip.shape) for clip in batch.low or ()] != [tuple(clip.shape) for clip in batch.high or ()]


def test_holdout_keeps_the_datasets_unlabelled_clips(toy_catalog: Catalog, tmp_path: Path) -> None:
    root = write_second(tmp_path / "data", train=6, val=2, test=0)
    write_part(root, "tiny_test_v2_public.json", "test", 3, first=20, labelled=False)  # none equals a training clip
    spread(root / "tiny_train_v2.json")
    usual = {"unlabelled": "tinyvirat-v2", "size": "32x32", "sampling": "2x1", "holdout": 0.34}
    plan = resolve_plan(toy_catalog, asked("tinyvirat-v2", ASKS, **usual))
    data = ready(toy_catalog, plan, tmp_path / "cache", root, root)
    assert data.unlabelled is not None and len(data.unlabelled.clips) == 3 and data.unlabelled.tested == 0


def test_bad_clips_covers_absent_clips_of_a_labelled_dataset_used_as_unlabelled(
    toy_catalog: Catalog, tmp_path: Path
) -> None:
    root = write_second(tmp_path, train=3, val=2, test=1)
    (root / "tiny_test_v2_public.json").unlink()
    shutil.rmtree(root / "videos" / "train")
    plan = resolve_plan(toy_catalog, asked("tiny-puppets", ASKS, unlabelled="tinyvirat-v2"))
    pool = clip_set(toy_catalog, "tinyvirat-v2", root, "")
    with pytest.raises(ElrError, match="tinyvirat-v2: 3 of 5 listed clips are not under"):
        list_unlabelled(pool, plan, "fail")
    with pytest.raises(ElrError, match="'tinyvirat-v2': none of the 0 unlabelled clips under .*"):
        list_unlabelled(pool, plan, "skip")


# -- estimates


def test_an_estimate_counts_the_unlabelled_clips(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled="puppets"))
    asking = {"clips": 4, "inputs": INPUTS, "device": torch.device("cpu"), "cache": tmp_path}
    few, many = (
        estimate_times(plan, components_of(toy_catalog, plan), unlabelled=pool, **asking) for pool in (4, 4000)
    )
    assert many["unlabelled"] > 50 * few["unlabelled"] > 0


def test_a_method_that_does_not_declare_its_need_is_an_error(toy_catalog: Catalog, tmp_path: Path) -> None:
    plan = resolve_plan(toy_catalog, asked("toy", ASKS, unlabelled="puppets"))
    hidden = dataclasses.replace(plan, unlabelled="")
    with pytest.raises(ElrError, match="asked for unlabelled clips.*`unlabelled`"):
        asking = {"clips": 4, "inputs": INPUTS, "device": torch.device("cpu"), "cache": tmp_path}
        estimate_times(hidden, components_of(toy_catalog, hidden), **asking)
