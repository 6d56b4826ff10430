"""`elrbench cache ls`: clips and stages with their numbers, and folders that are no cache."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from filelock import FileLock
from stopped_cache import Call, cache, call, check, files, go, matched, stage

from benchmark_core.catalog import Catalog
from elrbench_plugins.commands.cache.contents import StoredStage, read_cache
from elrbench_plugins.commands.cache.text import distinguishing_numbers

__all__ = ["cache", "call"]  # fixtures


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


def test_an_unknown_word(call: Call) -> None:
    assert call("clean")[2] == "elrbench: error: unknown command 'cache clean'. Did you mean 'cache clear'?\n"
