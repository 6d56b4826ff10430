"""`elrbench cache`: what it lists, what it finds broken, what it removes, and all that it leaves alone."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file, save_file

from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.clips import clipfile
from benchmark_core.clips.locks import reader_lock
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs import runner
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_folder import StageFolder
from benchmark_core.training.training_loop import TrainingLoop
from elrbench import ElrError
from elrbench_plugins.commands.cache.clearing import Selection, clear, clearing_lock
from elrbench_plugins.commands.cache.contents import StoredStage, held, read_cache
from elrbench_plugins.commands.cache.reading import CacheReport, clip_fault, verify
from elrbench_plugins.commands.cache.text import distinguishing_numbers

Call = Callable[..., tuple[int, str, str]]


def matched(catalog: Catalog) -> Plan:
    settings = ("method.batch=12", "method.epochs=2", "dataset.test=6", "dataset.train=12", "method.joint_epochs=3")
    request = PlanRequest(
        method="supervised:matched", dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    return resolve_plan(catalog, request)


@pytest.fixture(scope="module")
def filled(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with one finished stage and one stopped after its first epoch of three."""
    folder = tmp_path_factory.mktemp("cache")
    plan = matched(toy_catalog)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_save", stop_after(TrainingLoop._save, ("joint", 0)))
        with pytest.raises(KeyboardInterrupt):
            go(plan, toy_catalog, folder)
    return folder


def stop_after(save: Callable[..., None], moment: tuple[str, int]) -> Callable[..., None]:
    def saving(self: TrainingLoop, loop: int, epoch: int, *rest: Any) -> None:
        save(self, loop, epoch, *rest)
        if (self.name, epoch) == moment:
            raise KeyboardInterrupt

    return saving


def go(plan: Plan, catalog: Catalog, folder: Path) -> dict[str, Any]:
    return run(plan, catalog, RunContext(data=None, out=folder / "out", cache=folder, reporter=Silent())).record


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    """A copy of it, to break."""
    return Path(shutil.copytree(filled, tmp_path / "cache"))


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*argv: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["cache", *argv])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def stage(cache: Path, name: str) -> Path:
    (found,) = (cache / "stages").glob(f"{name}-*")
    return found


def check(cache: Path, *, remove: bool = False) -> CacheReport:
    return verify(read_cache(cache), reporter=Silent(), remove=remove)


def files(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}


# -- ls


def test_what_it_lists(cache: Path, call: Call) -> None:
    code, out, _ = call("ls", "--json", "--cache", str(cache))
    told = json.loads(out)
    assert code == 0
    (low,) = told["clips"]
    assert (low["kind"], low["size"], low["clips"], low["halves"]) == ("low", "12x16", 18, 0)
    assert low["degradation"] == "average sigma_blur=0.25 sigma_noise=2.0"
    assert low["bytes"] == sum(path.stat().st_size for path in cache.rglob("*.clip"))
    stages = {one["name"]: one for one in told["stages"]}
    student, joint = stages["student"], stages["joint"]
    assert student["function"] == "elrbench_plugins.supervised.fit:fit_classifier(epochs=2,high=False)"
    assert (student["dataset"], student["backbone"], student["seed"]) == ("toy", "toynet", 0)
    assert (student["finished"], student["epoch"], student["seconds"] > 0) == (True, 2, True)
    assert student["device"].startswith("cpu")
    assert (joint["finished"], joint["epoch"], joint["epochs"], joint["seconds"]) == (False, 1, 3, None)
    assert joint["dataset"] == "toy" and joint["bytes"] > 0
    assert told["bytes"] == low["bytes"] + student["bytes"] + joint["bytes"]


def test_it_prints_two_tables_and_totals(cache: Path, call: Call) -> None:
    code, out, _ = call("ls", "--cache", str(cache))
    lines = out.splitlines()
    assert code == 0 and lines[0] == f"cache {cache}"
    assert [line.split()[0] for line in lines if line.startswith("  ") and " used " in line] == ["format", "stage"]
    (joint,) = (line for line in lines if line.strip().startswith("joint-"))
    assert "epoch 1 of 3" in joint and "supervised.fit:fit_classifier(epochs=3,high=False)" in joint
    assert lines[-1].startswith("18 clips in 1 formats, ") and "; 2 stages, " in lines[-1]


def kept(**numbers: object) -> StoredStage:
    note = {"function": "p.fit:fit", "numbers": {"dataset": "toy", "backbone": "toynet", "seed": 0, **numbers}}
    return StoredStage(
        name="joint", key="", path=Path(), note=note, finished=True, in_training=False, epoch=None, bytes=0, used=0.0
    )


def test_stages_that_differ_in_an_option_alone_are_told_apart() -> None:
    rows = [
        kept(**{"method.w_tat": 0.5, "method.confidence": "mlp", "method.epochs": 2, "clips": "1a"}),
        kept(**{"method.w_tat": 0.0, "method.epochs": 2, "size": [24, 32], "clips": "2b"}),
        kept(**{"method.w_tat": 0.25, "seed": 1}),
    ]
    found = [distinguishing_numbers(row, rows) for row in rows]
    assert found == ["confidence=mlp w_tat=0.5", "w_tat=0.0 size=24x32", ""]


def test_a_stage_that_is_being_fitted_says_so(cache: Path) -> None:
    with FileLock(stage(cache, "joint") / "lock"):
        (joint,) = (one for one in read_cache(cache).stages if one.name == "joint")
        assert joint.in_training and joint.state == "epoch 1 of 3, being trained"


def test_what_is_used_again_is_used_now(cache: Path, toy_catalog: Catalog) -> None:
    old = time.time() - 1000
    for path in (stage(cache, "student") / "stage.json", *cache.glob("clips/*/recipe.json")):
        os.utime(path, (old, old))
    go(matched(toy_catalog), toy_catalog, cache)
    found = read_cache(cache)
    assert [one.finished for one in found.stages] == [True, True]
    assert all(one.used > old + 900 for one in (*found.formats, *found.stages))


def test_a_stage_of_an_older_version_is_listed_and_sound(cache: Path) -> None:
    """Its note has no digest; before it was finished it had no note of what it was to be."""
    note = stage(cache, "student") / "stage.json"
    plain = json.loads(note.read_text())
    del plain["sha256"]
    note.write_text(json.dumps(plain))
    (stage(cache, "joint") / "begun.json").unlink()
    (joint,) = (one for one in read_cache(cache).stages if one.name == "joint")
    assert (joint.state, joint.function, joint.numbers) == ("epoch 1 of 3", "", {})
    assert check(cache).broken == ()


@pytest.mark.parametrize("inside", [[], ["clips/holiday/a.mp4"], ["stages/one/script.txt"]])
def test_a_folder_that_is_no_cache_is_refused(call: Call, inside: list[str], tmp_path: Path) -> None:
    for name in inside:
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("mine")
    for command in (["ls"], ["verify", "--remove"], ["clear", "clips", "stages", "--yes"]):
        code, out, err = call(*command, "--cache", str(tmp_path))
        said = f"{tmp_path} is {'not a cache of elrbench' if inside else 'empty'}"
        assert (code, out) == (2, "") and said in err and err.count("\n") == 1
    assert files(tmp_path) == {Path(name) for name in inside}


def test_a_cache_of_counts_alone_is_a_cache(call: Call, tmp_path: Path) -> None:
    """`suite show` needs neither clips nor stages."""
    (tmp_path / "counts").mkdir()
    (tmp_path / "counts" / "0123456789abcdef.json").write_text("{}")
    assert call("ls", "--cache", str(tmp_path))[0] == 0


def test_a_folder_that_is_not_there(call: Call) -> None:
    code, _, err = call("ls", "--cache", "/nowhere")
    assert (code, err) == (2, "elrbench: error: the cache folder /nowhere does not exist; pass --cache DIR\n")


# -- verify


def test_a_whole_cache_is_whole(cache: Path, call: Call) -> None:
    code, out, _ = call("verify", "--cache", str(cache))
    assert (code, out) == (0, "18 clips and 2 stages read: none is broken\n")


def flip(path: Path, at: int) -> None:
    """One bit of one byte; at: from the end where negative."""
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def truncate(path: Path, at: int) -> None:
    path.write_bytes(path.read_bytes()[:at])


def not_finite(path: Path) -> None:
    """Written whole, as by a version that did not look: the note fits."""
    weights = load_file(path)
    next(value for value in weights.values() if value.is_floating_point()).fill_(torch.nan)
    save_file(weights, path)
    note = json.loads((path.parent / "stage.json").read_text())
    del note["sha256"]
    note["bytes"] = path.stat().st_size
    (path.parent / "stage.json").write_text(json.dumps(note))


@pytest.mark.parametrize(
    ("pattern", "harm", "reason"),
    [
        ("clips/*/*/*.clip", lambda path: flip(path, 600), "damaged: "),
        ("clips/*/*/*.clip", lambda path: truncate(path, -1), "truncated, or not a clip file"),
        ("clips/*/recipe.json", lambda path: path.write_text("{}"), "its numbers do not match its key"),
        ("stages/student-*/module.safetensors", lambda path: flip(path, -1), "its module.safetensors differs"),
        ("stages/student-*/module.safetensors", lambda path: truncate(path, 100), "its module.safetensors has 100"),
        ("stages/student-*/module.safetensors", Path.unlink, "its module.safetensors is missing"),
        ("stages/student-*/module.safetensors", not_finite, "its weight backbone."),
        ("stages/student-*/stage.json", lambda path: truncate(path, 50), "its stage.json cannot be read"),
        ("stages/joint-*/checkpoint.pt", lambda path: truncate(path, 500), "its checkpoint.pt is damaged"),
    ],
)
def test_what_is_broken_is_named_removed_and_made_anew(
    cache: Path, call: Call, pattern: str, harm: Callable[[Path], object], reason: str, toy_catalog: Catalog
) -> None:
    path = sorted(cache.glob(pattern))[0]
    place = path if pattern.startswith("clips") else path.parent
    harm(path)
    (broken,) = check(cache).broken
    assert broken.path == place and broken.reason.startswith(reason)
    code, out, _ = call("verify", "--cache", str(cache))
    assert code == 1 and out.splitlines()[0] == f"{place}: {broken.reason}" and len(out.splitlines()) == 2
    code, out, _ = call("verify", "--remove", "--cache", str(cache))
    assert code == 0 and out.splitlines()[0] == f"{place}: {broken.reason}; removed" and not place.exists()
    assert check(cache).broken == ()
    go(matched(toy_catalog), toy_catalog, cache)
    assert check(cache).broken == () and place.exists()
    assert all(one.finished for one in read_cache(cache).stages)


def test_weights_that_changed_are_not_reused(cache: Path, toy_catalog: Catalog) -> None:
    flip(stage(cache, "student") / "module.safetensors", -1)
    stages = go(matched(toy_catalog), toy_catalog, cache)["stages"]
    assert [one["reused"] for one in stages] == [False, False] and check(cache).broken == ()


def test_a_clip_of_an_older_store_has_no_checksum(cache: Path) -> None:
    path = sorted(cache.glob("clips/*/*/*.clip"))[0]
    content = path.read_bytes()
    header = json.loads(content[: clipfile.HEADER_BYTES])
    assert header.pop("checksum") > 0
    path.write_bytes(json.dumps(header).encode().ljust(clipfile.HEADER_BYTES) + content[clipfile.HEADER_BYTES :])
    assert clipfile.read_header(path) is not None and clip_fault(path) is None


# -- clear


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


def test_an_unknown_word(call: Call) -> None:
    assert call("clean")[2] == "elrbench: error: unknown command 'cache clean'. Did you mean 'cache clear'?\n"


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
