"""Datasets whose target is the person: puppets, Nagoya FIR and IXMAS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tables_of_frames import write_nagoya
from test_ixmas import record

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.names import check_dataset_name
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.records.stored import stored_predictions
from benchmark_core.records.verify import verify_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.lists import read_index
from benchmark_core.runs.runner import run
from benchmark_core.scoring.pairs import verify
from benchmark_core.specs import defaults
from benchmark_core.specs.index import Drawn, Index
from benchmark_core.tables.compare import compare
from elrbench_plugins.nagoya_fir import CLASSES
from elrbench_plugins.puppets.single import render


def listed(catalog: Catalog, name: str, root: Path | None, protocol: str = "", **options: object) -> Index:
    spec = catalog.datasets[name]
    return spec.read_index(root, protocol or spec.default_protocol, {**defaults(spec), **options})  # type: ignore[dict-item]


def smoke_run(catalog: Catalog, dataset: str, folder: Path) -> Path:
    """Run a smoke plan of `toynet`, and return its record."""
    request = PlanRequest(method="supervised", dataset=dataset, backbone="toynet", budget="smoke")
    context = RunContext(out=folder / "out", cache=folder / "cache", reporter=Silent())
    run(resolve_plan(catalog, request), catalog, context)
    [path] = (folder / "out").glob("supervised-*[0-9a-f].json")
    return path


def people_in(index: Index, fold: str, part: str) -> set[object]:
    return {clip.target for clip in index.split(fold, part)}


def test_puppets_ask_who_acts_in_the_training_clips_of_the_action_dataset(catalog: Catalog) -> None:
    sizes = {"train": 480, "test": 480}
    actions, people = (listed(catalog, name, None, **sizes) for name in ("puppets", "puppets:identity"))
    for action, person in zip(actions.split("1", "train"), people.split("1", "train"), strict=True):
        assert person.source == action.source
        assert person.action == catalog.datasets["puppets"].classes[action.labels[0]]
        assert person.group == f"subject-{person.target:04d}"
    assert people_in(people, "1", "train") == people_in(people, "1", "test") == set(range(40))
    keys = {clip.source.key for clip in people.clips if isinstance(clip.source, Drawn)}
    assert len(keys) == 960  # no test clip is a training clip


def test_other_clothes_leave_body_and_movement(catalog: Catalog) -> None:
    small = {"train": 1, "test": 1, "rows": 32, "columns": 42, "frames": 6}
    own, other = (
        listed(catalog, "puppets:identity", None, clothes=clothes, **small).clips[0] for clothes in ("own", "any")
    )
    assert isinstance(own.source, Drawn) and isinstance(other.source, Drawn)
    assert set(json.loads(other.source.key)) - set(json.loads(own.source.key)) == {"clothes"}
    [one], [two] = render(own.source.key), render(other.source.key)
    seen, again = (np.stack(frames.planes).astype(int) for frames in (one, two))
    assert seen.shape == again.shape  # as many frames: the motion is the same
    changed = (seen != again).any(axis=(0, 1)).mean()
    assert 0.01 < changed < 0.5  # the figure, not its surroundings


@pytest.mark.parametrize(("protocol", "people", "folds"), [("recordings", 9, 2), ("recordings-6", 6, 2)])
def test_nagoya_is_trained_in_the_light_and_tested_in_the_dark(
    catalog: Catalog, tmp_path: Path, protocol: str, people: int, folds: int
) -> None:
    index = listed(catalog, "nagoya-fir:identity", write_nagoya(tmp_path / "nagoya"), protocol)
    assert len(index.folds) == folds
    for name, fold in index.folds.items():
        assert fold.test and all(f"_{name}" in key for key in fold.test)
        assert set(fold.train) == set(index.by_id) - set(fold.test)
    assert {clip.target for clip in index.clips} == set(range(people))
    assert {clip.action for clip in index.clips} <= set(CLASSES)


def test_one_day_has_the_people_of_that_day(catalog: Catalog, tmp_path: Path) -> None:
    index = listed(catalog, "nagoya-fir:identity", write_nagoya(tmp_path / "nagoya"), "one-day-6")
    assert list(index.folds) == ["20170203", "20170206", "20170209"]
    assert people_in(index, "20170206", "train") == {2, 3}
    assert people_in(index, "20170206", "test") <= {2, 3}
    assert all(clip.id.startswith("20170206_") for clip in index.split("20170206", "train"))


def test_a_repetition_of_ixmas_is_left_out(catalog: Catalog, tmp_path: Path) -> None:
    for name in ("alba1", "alba2", "alba3", "amel1", "amel2", "amel3"):
        record(tmp_path, name, cameras=("cam0",))
    index = listed(catalog, "ixmas-12:identity", tmp_path)
    for fold in "123":
        assert {clip.id.split("_")[0][-1] for clip in index.split(fold, "test")} == {fold}
        assert people_in(index, fold, "test") == people_in(index, fold, "train") == {0, 1}


def test_puppets_verify_people_who_are_not_in_training(catalog: Catalog) -> None:
    index = listed(catalog, "puppets:verification", None, train=480, test=480)
    known, strangers = ({clip.group for clip in index.split("1", part)} for part in ("train", "test"))
    assert len(known) == len(strangers) == 40 and not known & strangers
    assert people_in(index, "1", "train") == people_in(index, "1", "test") == set(range(40))


def test_nagoya_verifies_the_people_of_a_day_that_is_left_out(catalog: Catalog, tmp_path: Path) -> None:
    root = write_nagoya(tmp_path / "nagoya")
    index = listed(catalog, "nagoya-fir:verification", root, "days-6")
    assert people_in(index, "20170206", "test") == {2, 3} and people_in(index, "20170206", "train") == {0, 1, 4, 5}
    whole = listed(catalog, "nagoya-fir:verification", root, "days")
    assert people_in(whole, "20170210", "test") == {6, 7, 8} and len(whole.folds) == 4


def test_ixmas_verifies_the_other_five_actors(catalog: Catalog, tmp_path: Path) -> None:
    for name in ("alba1", "amel1", "daniel1", "nicolas2"):
        record(tmp_path, name, cameras=("cam0",))
    index = listed(catalog, "ixmas-12:verification", tmp_path)
    assert people_in(index, "first", "train") == people_in(index, "second", "test") == {0, 1}
    assert people_in(index, "first", "test") == people_in(index, "second", "train") == {5, 9}


def test_a_run_is_scored_by_pairs_of_clips_of_strangers(toy_catalog: Catalog, tmp_path: Path) -> None:
    path = smoke_run(toy_catalog, "puppets:verification", tmp_path)
    found = read_record(path)
    assert list(found["scores"]) == [found["primary"]] == ["pair_auc"] and found["hits"] is None
    predictions = stored_predictions(found, path.parent)
    expected = verify([[(predictions.logits, predictions.targets)]])
    assert expected is not None and found["scores"]["pair_auc"]["value"] == expected.area.value
    assert found["action_guess"]["scores"]["pair_auc"]["value"] == 0.5  # each person has each action once
    assert not verify_record(path, tmp_path).problems
    with pytest.raises(ElrError, match="'pair_auc' is not an F1, so it has no per-clip decisions; compare intervals"):
        compare(found, found)


@pytest.mark.parametrize(("tests", "said"), [(12, "12 test clips of 1 classes"), (13, "")])
def test_pairs_need_two_people(toy_catalog: Catalog, tests: int, said: str) -> None:
    plan = resolve_plan(
        toy_catalog,
        PlanRequest(
            method="supervised", dataset="puppets:verification", backbone="toynet", settings=(f"dataset.test={tests}",)
        ),
    )
    components = components_of(toy_catalog, plan)
    if not said:
        assert len(read_index(plan, components, None, "fail").split("1", "test")) == tests
        return
    with pytest.raises(ElrError, match=f"fold 1 of strangers has {said}, but pair_auc needs 2 to 200 classes"):
        read_index(plan, components, None, "fail")


def test_a_run_records_what_the_action_alone_tells(toy_catalog: Catalog, tmp_path: Path) -> None:
    path = smoke_run(toy_catalog, "puppets:identity", tmp_path)
    guess = read_record(path)["action_guess"]
    # 48 training clips are of four people, each in every action once: the action tells nothing.
    assert guess["scores"]["top1"]["value"] == 0.25
    assert guess["hits"]


@pytest.mark.parametrize("name", ["Puppets:identity", "puppets:", ":identity", "puppets:who:where", "puppets:a+b"])
def test_names_that_are_no_target_of_a_dataset(name: str) -> None:
    with pytest.raises(ElrError, match="cannot name a component"):
        check_dataset_name(name)
