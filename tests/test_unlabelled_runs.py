"""Runs that learn from a folder of unlabelled videos: records, reused stages, damaged clips, and the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import BUILTINS, TOY
from unlabelled_plans import ASKS, asked
from videos import film

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.cli import main
from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.plans.resolve import resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import read_record
from benchmark_core.runs.context import ExtraPaths, RunContext
from benchmark_core.runs.extra_data import clip_set, list_unlabelled
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.specs.index import VideoFile
from elrbench import ElrError

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


def test_a_recompressed_test_clip_is_left_out_by_its_name(
    toy_catalog: Catalog, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    film(folders[1] / "test" / "run" / "2.mp4", 33, 5)  # other bytes than the test clip's
    told = go(toy_catalog, folders, tmp_path).record["unlabelled"]
    assert (told["clips"], told["tested"]) == (3, 2)


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
