"""Unlabelled clips as extra data: which methods use them, which clips are left out, which stages change."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import BUILTINS, TOY
from tiny_virat import spread, write_part, write_second
from videos import film

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.plans.budgets import changed_from_budget
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.extra_data import clip_set, list_unlabelled
from benchmark_core.runs.lists import list_data
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.time_estimate import estimate_times
from benchmark_core.specs.index import VideoFile
from benchmark_core.training.keys import StageInputs, stage_numbers
from elrbench import ElrError

ASKS = "method.unlabelled=attention"
OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
INPUTS = StageInputs(clips="c", low="l", high="h", crop="after", owners=OWNERS)


def asked(dataset: str = "toy", *settings: str, **changes: Any) -> PlanRequest:
    numbers = ("method.batch=4", "method.epochs=1", "method.joint_epochs=1", *settings)
    fields = {"method": "cstat", "backbone": "toynet", "budget": "smoke", "size": "24x32", **changes}
    return PlanRequest(dataset=dataset, settings=numbers, **fields)


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


def test_a_recompressed_test_clip_is_left_out_by_its_name(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    film(folders[1] / "test" / "run" / "2.mp4", 33, 5)  # other bytes than the test clip's
    told = go(toy_catalog, folders, tmp_path).record["unlabelled"]
    assert (told["clips"], told["tested"]) == (3, 2)


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


# -- from end to end, on files


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two classes of three clips, one of them for testing; and unlabelled clips: one test clip and three others."""
    for number, name in enumerate(("walk", "run")):
        for clip in range(3):
            film(tmp_path / "mine" / ("test" if clip == 2 else "train") / name / f"{clip}.mp4", 40 + 80 * number, clip)
    for clip in range(3):
        film(tmp_path / "kinetics" / "deep" / f"{clip}.mp4", 60 + 20 * clip, 9)
    shutil.copy(tmp_path / "mine" / "test" / "run" / "2.mp4", tmp_path / "kinetics" / "copied.mp4")
    return tmp_path / "mine", tmp_path / "kinetics"


def go(
    toy_catalog: Catalog, folders: tuple[Path, Path], work: Path, holdout: float | None = None, **changes: Any
) -> RunResult:
    catalog, mine = toy_catalog.with_folder(f"folder:{folders[0]}")
    catalog, pool = catalog.with_folder(f"videos:{folders[1]}")
    plan = resolve_plan(catalog, asked(mine, ASKS, "method.batch=2", unlabelled=pool, holdout=holdout))
    return run(
        plan,
        catalog,
        RunContext(
            data=folders[0],
            out=work / "out",
            cache=work / "cache",
            reporter=Silent(),
            extra=ExtraPaths(unlabelled=folders[1]),
            **changes,
        ),
    )


def test_a_record_names_the_unlabelled_clips_that_training_read(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    result = go(toy_catalog, folders, tmp_path)
    record = result.record
    told = record["unlabelled"]
    assert (told["name"], told["clips"], told["tested"], told["bad"]) == ("videos:kinetics", 3, 1, [])
    assert len(told["manifest"]) == 16
    assert [stage["name"] for stage in record["stages"]] == ["teacher-tam", "student", "unlabelled", "joint"]
    assert record["updates"]["unlabelled"] == 1  # batches of two, the odd clip left out
    (path,) = (tmp_path / "out").glob("cstat-*.json")
    assert read_record(path)["plan"]["unlabelled"] == "videos:kinetics"
    placed, _ = toy_catalog.with_folder(f"folder:{folders[0]}")  # predicting needs no unlabelled clips
    assert load_run(result.folder, read_record(path), placed).plan.digest == record["digest"]


def test_with_holdout_test_clips_are_still_left_out(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    record = go(toy_catalog, folders, tmp_path, holdout=0.5).record
    assert record["unlabelled"]["tested"] == 1 and record["plan"]["holdout"] == 0.5


def test_another_unlabelled_set_retrains_only_the_stages_that_read_it(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    first = go(toy_catalog, folders, tmp_path).record
    film(folders[1] / "later.mp4", 50, 11)
    with pytest.raises(ElrError, match="the clips of videos:kinetics differ"):
        go(toy_catalog, folders, tmp_path)
    (tmp_path / "out").rename(tmp_path / "earlier")
    second = go(toy_catalog, folders, tmp_path).record
    reused = {stage["name"]: stage["reused"] for stage in second["stages"]}
    assert reused == {"teacher-tam": True, "student": True, "unlabelled": False, "joint": False}
    assert second["unlabelled"]["manifest"] != first["unlabelled"]["manifest"]
    assert second["digest"] == first["digest"]  # the plan holds the name, the record the clips


def test_bad_clips_covers_damaged_unlabelled_clips(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (folders[1] / "broken.mp4").write_bytes(b"no video at all" * 99)
    with pytest.raises(BadClips, match=r"1 of 4 clips cannot be decoded: 'videos:kinetics broken.mp4' \("):
        go(toy_catalog, folders, tmp_path)
    told = go(toy_catalog, folders, tmp_path, bad_clips="skip").record["unlabelled"]
    assert (told["clips"], told["bad"]) == (3, ["broken.mp4"])


def test_an_unlabelled_set_of_only_test_clips_is_refused(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.rmtree(folders[1] / "deep")
    with pytest.raises(ElrError, match="'videos:kinetics': none of the 1 unlabelled clips under .*"):
        go(toy_catalog, folders, tmp_path)


def test_an_empty_unlabelled_set_is_an_error_before_clips_are_decoded(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    shutil.rmtree(folders[1])
    folders[1].mkdir()
    with pytest.raises(ElrError, match="the folder .*kinetics is empty"):
        go(toy_catalog, folders, tmp_path)
    (folders[1] / "readme.txt").touch()
    with pytest.raises(ElrError, match="no video in it"):
        go(toy_catalog, folders, tmp_path)
    assert not list((tmp_path / "cache").rglob("*.clip"))


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


def test_unlabelled_clips_keep_their_files(toy_catalog: Catalog, folders: tuple[Path, Path]) -> None:
    catalog, name = toy_catalog.with_folder(f"videos:{folders[1]}")
    plan = resolve_plan(catalog, asked("toy", ASKS, unlabelled=name))
    clips = list_unlabelled(clip_set(catalog, name, folders[1], ""), plan, "fail").clips
    assert VideoFile(folders[1] / "copied.mp4") in {clip.source for clip in clips}


# -- the command line


def told(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(argv)
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


RUN = ("run", "--plugin", str(TOY), "--method", "cstat", "--dataset", "toy", "--backbone", "toynet",
       "--budget", "smoke", "--size", "24x32", "--set", "method.epochs=1", "--set", "method.joint_epochs=1",
       "--set", "method.batch=4", "--set", ASKS)  # fmt: skip


@pytest.fixture
def built_in_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the built-in plugins and those that a test adds."""

    def load(extra: tuple[str, ...] = (), **_: object) -> Catalog:
        return load_catalog([*(f"elrbench_plugins.{name}" for name in BUILTINS), *extra], entry_points=False)

    monkeypatch.setattr(catalog_module, "load_catalog", load)
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)


@pytest.mark.usefixtures("built_in_plugins")
def test_flags_name_the_unlabelled_set_and_its_folder(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = ("--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), "--json")
    code, out, _ = told(capsys, *RUN, *work, "--unlabelled", "videos:k400", "--unlabelled-data", str(folders[1]))
    record = json.loads(out)["record"]
    assert code == 0 and record["unlabelled"]["clips"] == 4 and record["plan"]["unlabelled"] == "videos:k400"
    code, out, _ = told(capsys, *RUN, "--dry-run", "--json", "--unlabelled", f"videos:{folders[1]}")
    assert code == 0 and json.loads(out)["plan"]["unlabelled"] == "videos:kinetics"


@pytest.mark.usefixtures("built_in_plugins")
@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "also learns from unlabelled clips, but the plan has none; pass e.g. --unlabelled videos:PATH"),
        (("--unlabelled", "videos:/nowhere/at-all"), "the folder /nowhere/at-all does not exist"),
        (("--unlabelled", "jhmdb"), "'jhmdb' needs its files: pass --unlabelled-data DIR or set ELRBENCH_DATA"),
        (
            ("--unlabelled", "jhmdb", "--unlabelled-data", "/nowhere"),
            "does not exist; pass --unlabelled-data DIR",
        ),
        (("--unlabelled-data", "/tmp"), "--unlabelled-data /tmp has no effect without --unlabelled"),
        (("--high-source-data", "/tmp"), "--high-source-data /tmp has no effect without --high-source"),
        (("--unlabelled", "puppets", "--unlabelled-data", "/tmp"), "reads no folder; remove --unlabelled-data /tmp"),
        (("--unlabelled", "puppets", "--teacher", "/nowhere"), "the run folder /nowhere does not exist"),
    ],
)
def test_one_line_for_each_mistake(
    capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    code, out, err = told(capsys, *RUN, "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), *flags)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("built_in_plugins")
@pytest.mark.parametrize(
    ("name", "message"),
    [("puppets", "reads no folder; remove --unlabelled-data"), ("jhmdb", "does not exist")],
)
def test_a_dry_run_checks_the_folder_too(
    capsys: pytest.CaptureFixture[str], name: str, message: str, tmp_path: Path
) -> None:
    asked = ("--unlabelled", name, "--unlabelled-data", str(tmp_path / "nothing"))
    code, out, err = told(capsys, *RUN, "--dry-run", *asked)
    assert (code, out) == (2, "") and err.count("\n") == 1 and message in err
