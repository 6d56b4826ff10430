"""`elrbench cache clear`: what a selection removes, and what stays: what is in use, and files of others."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from stopped_cache import Call, cache, call, check, files, go, matched, stage, truncate

from benchmark_core.catalog import Catalog
from benchmark_core.clips.locks import reader_lock
from benchmark_core.runs import runner
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_folder import StageFolder
from elrbench import ElrError
from elrbench_plugins.commands.cache.clearing import Selection, clear, clearing_lock
from elrbench_plugins.commands.cache.contents import held, read_cache

__all__ = ["cache", "call"]  # fixtures


def components(cache: Path, **asked: Any) -> set[str]:
    found = Selection(**asked).of(read_cache(cache))
    return {one.kind for one in found.formats} | {one.name for one in found.stages}


def test_what_a_selection_is(cache: Path) -> None:
    (low,) = read_cache(cache).formats
    student = stage(cache, "student")
    assert components(cache, clips=True) == {"low"} and components(cache, stages=True) == {"student", "joint"}
    assert components(cache, stages=True, unfinished=True) == {"joint"}
    assert (
        components(cache, stages=True, names=("student",))
        == {"student"}
        == components(cache, stages=True, names=(student.name,))
    )
    assert components(cache, clips=True, formats=(low.key[:6],)) == {"low"}
    old = time.time() - 3 * 86400
    os.utime(student / "stage.json", (old, old))
    assert components(cache, clips=True, stages=True, before=time.time() - 86400) == {"student"}
    with pytest.raises(ElrError, match="unknown stage 'studen'. Did you mean 'student'"):
        components(cache, stages=True, names=("studen",))
    with pytest.raises(ElrError, match="unknown stored format 'ffff'"):
        components(cache, clips=True, formats=("ffff",))


def test_it_removes_what_was_selected_and_tells_what_it_freed(cache: Path, call: Call) -> None:
    before = sum(path.stat().st_size for path in stage(cache, "joint").iterdir() if path.name != "lock")
    code, out, _ = call("clear", "--unfinished", "--yes", "--json", "--cache", str(cache))
    assert (code, json.loads(out)) == (0, {"files": 2, "bytes": before, "kept": []})
    assert [one.name for one in read_cache(cache).stages] == ["student"] and len(
        list((cache / "stages").iterdir())
    ) == 1
    code, out, _ = call("clear", "clips", "stages", "--yes", "--cache", str(cache))
    assert code == 0 and out.startswith("removed 22 files, ")  # 18 clips, their recipe and its source, weights and note
    assert list((cache / "clips").iterdir()) == list((cache / "stages").iterdir()) == []
    code, out, _ = call("ls", "--cache", str(cache))
    assert code == 0 and out.endswith("0 clips in 0 formats, 0 B; 0 stages, 0 B, 0 s of training\n")


def test_clips_that_went_before_leave_no_recipe_behind(cache: Path, call: Call) -> None:
    truncate(sorted(cache.glob("clips/*/*/*.clip"))[0], 50)
    assert call("verify", "--remove", "--cache", str(cache))[0] == 0  # its folder is empty now
    assert call("clear", "clips", "--yes", "--cache", str(cache))[0] == 0
    assert list((cache / "clips").iterdir()) == [] and read_cache(cache).formats == ()


def test_what_another_process_is_fitting_stays(cache: Path, call: Call) -> None:
    kept = files(cache)
    with FileLock(stage(cache, "joint") / "lock"):
        code, out, _ = call("clear", "clips", "stages", "--yes", "--cache", str(cache))
        report = check(cache)
    assert code == 1 and [line.split(":")[0] for line in out.splitlines()[:2]] == ["kept"] * 2
    assert f"stage {stage(cache, 'joint').name}: another process is training it" in out
    assert {path for path in kept - files(cache) if path.name != "lock"} == {
        path for path in kept if path.parent.name.startswith("student-") and path.name != "lock"
    }
    assert len(report.busy) == 1 and report.stages == 0


def test_a_clip_that_is_being_made_stays(cache: Path) -> None:
    found = read_cache(cache)
    digits = found.formats[0].files[0].parent.name
    with FileLock(cache / "locks" / f"{digits}.lock"):
        freed = clear(Selection(clips=True).of(found))
    assert freed.kept == (f"clips {found.formats[0].key}/{digits}: another process is writing them",)
    assert {path.parent.name for path in cache.glob("clips/*/*/*.clip")} == {digits}
    assert (found.formats[0].path / "recipe.json").exists()


@pytest.mark.parametrize("moment", ["prepare_together", "predict"])
def test_clips_that_a_run_reads_stay(cache: Path, toy_catalog: Catalog, call: Call, moment: str) -> None:
    """Also where no stage is being fitted."""
    original = getattr(runner, moment)
    told: list[tuple[int, str, str]] = []

    def clearing(*args: Any, **kwargs: Any) -> Any:
        told.append(call("clear", "clips", "--yes", "--cache", str(cache)))
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, moment, clearing)
        go(matched(toy_catalog), toy_catalog, cache)
    ((code, out, _),) = told
    (stored,) = read_cache(cache).formats
    assert code == 1 and f"kept clips {stored.key}: another process reads clips\n" in out.replace("kept: ", "kept ")
    assert stored.clips == 18 and not list((cache / "locks").glob("reading-*"))


def test_what_a_killed_run_left_in_use_is_free(cache: Path, call: Call) -> None:
    left = cache / "locks" / "reading-0.lock"
    left.touch()
    with reader_lock(cache):
        assert call("clear", "clips", "--yes", "--cache", str(cache))[0] == 1
    assert call("clear", "clips", "--yes", "--cache", str(cache))[0] == 0
    assert not left.exists() and read_cache(cache).formats == ()


def test_nobody_begins_to_read_while_clips_are_removed(cache: Path) -> None:
    begun = threading.Event()

    def reading() -> None:
        with reader_lock(cache):
            begun.set()

    with clearing_lock(cache) as free:
        reader = threading.Thread(target=reading)
        reader.start()
        assert free and not begun.wait(0.3)
    assert begun.wait(10)
    reader.join()


def test_nothing_else_is_touched(cache: Path, tmp_path: Path, call: Call) -> None:
    """Files of others inside, and links that lead out."""
    outside = tmp_path / "outside"
    (recipe,) = (cache / "clips").iterdir()
    shutil.copytree(recipe / next(iter(recipe.glob("??"))).name, outside / "00")
    shutil.copytree(stage(cache, "student"), outside / "stage")
    notes = [
        cache / "readme.txt",
        stage(cache, "student") / "mine.txt",
        recipe / "mine.clip",
        cache / "clips" / "x" / "y",
    ]
    for path in notes:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    student = stage(cache, "student")
    links = {
        cache / "clips" / ("0" * 16): outside,
        recipe / "zz": outside / "00",
        cache / "stages" / f"student-{'0' * 16}": outside / "stage",
        stage(cache, "joint") / "stage.json": outside / "stage" / "stage.json",
    }
    for link, target in links.items():
        link.symlink_to(target)
    there = files(outside)
    assert len(read_cache(cache).stages) == 2 and len(read_cache(cache).formats) == 1
    code, _, _ = call("clear", "clips", "stages", "--yes", "--cache", str(cache))
    assert code == 0 and files(outside) == there
    assert all(path.read_text() == "mine" for path in notes) and all(link.is_symlink() for link in links)
    assert {path.name for path in student.iterdir()} == {"mine.txt"}


def test_it_asks_first(cache: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files(cache)
    code, out, err = call("clear", "stages", "--cache", str(cache))
    assert (code, out) == (2, "") and err.endswith("; add --yes\n")
    assert "stage student-" in err and "2 stages, " in err
    monkeypatch.setattr("elrbench_plugins.commands.cache.command.sys.stdin.isatty", lambda: True, raising=False)
    for answer, left in (("n", before), ("y", {path for path in before if path.parts[0] != "stages"})):
        monkeypatch.setattr("click.termui.visible_prompt_func", lambda text, answer=answer: answer)
        code, _, err = call("clear", "stages", "--cache", str(cache))
        assert code == (answer == "n") and files(cache) == left
        assert err.endswith("nothing was removed\n") == (answer == "n")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "nothing is selected; pass clips, stages, counts, --stage, --recipe, --unfinished or --older-than"),
        (["stage"], "unknown part of the cache 'stage'. Did you mean 'stages'?"),
        (
            ["stages", "--older-than", "soon"],
            "--older-than soon is not an age; pass hours, days or weeks: 12h, 30d, 8w",
        ),
        (["clips", "--unfinished"], "--stage or --unfinished selects stages, but only clips was passed; add stages"),
        (["stages", "--recipe", "ab"], "--recipe selects clips, but only stages was passed; add clips"),
    ],
)
def test_a_selection_that_is_none(cache: Path, call: Call, argv: list[str], message: str) -> None:
    assert call("clear", *argv, "--yes", "--cache", str(cache)) == (2, "", f"elrbench: error: {message}\n")


def test_a_stage_that_is_cleared_while_its_lock_is_taken_is_locked_again(tmp_path: Path) -> None:
    key = StageKey(name="student", function="f", revision=1, numbers={})
    folder = StageFolder(tmp_path, key)
    taken: list[bool] = []
    original = FileLock.acquire

    def acquire(self: Any, *args: Any, **asked: Any) -> Any:
        proxy = original(self, *args, **asked)
        if not taken:
            shutil.rmtree(folder.path)
        taken.append(True)
        return proxy

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FileLock, "acquire", acquire)
        with folder.locked(), held(folder.path / "lock") as free:
            assert not free
    assert len(taken) == 2
