"""The note of a finished stage: what a run must be able to read of it, and what it protects from `cache clear`."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from torch import nn

from benchmark_core.cli.app import cli
from benchmark_core.progress import Silent
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_folder import StageFolder
from elrbench_plugins.commands.cache import clearing
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.reading import verify

NOTE: dict[str, Any] = {"seconds": 1.5, "updates": 12, "history": [{"epoch": 0, "loss": 1.0}], "device": "cpu"}
DAY = 86400


def stage(cache: Path, warn: Callable[[str], None] = print) -> StageFolder:
    return StageFolder(cache, StageKey(name="student", function="f", revision=1, numbers={"seed": 0}), warn)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, None) for field in NOTE],
        ("seconds", "1.5"), ("seconds", -1.0), ("seconds", float("inf")), ("updates", 1.5), ("updates", True),
        ("history", {}), ("history", [1]), ("history", [{"loss": "low"}]), ("device", 0), ("notes", "text"),
        ("notes", [1]), ("validation", []), ("validation", {"clips": "c"}), ("validation", {"rows": [{"top1": 0.5}]}),
    ],
)  # fmt: skip
def test_a_stage_whose_note_a_run_cannot_read_is_trained_again(tmp_path: Path, field: str, value: object) -> None:
    said: list[str] = []
    folder = stage(tmp_path, said.append)
    with folder.locked():
        folder.finish(nn.Linear(2, 2), {key: own for key, own in {**NOTE, field: value}.items() if own is not None})
    assert folder.finished() is None
    assert said == [
        f"stage 'student' in the cache is damaged: its stage.json has no valid '{field}'; it is trained again"
    ]
    (broken,) = verify(read_cache(tmp_path), reporter=Silent()).broken
    assert f"'{field}'" in broken.reason


@pytest.mark.parametrize(
    "more", [{}, {"notes": ["text"], "validation": {"clips": "c", "rows": [{"epoch": 1, "top1": 0.5}]}}, {"later": {}}]
)
def test_notes_of_runs_are_read(tmp_path: Path, more: dict[str, Any]) -> None:
    folder = stage(tmp_path)
    with folder.locked():
        folder.finish(nn.Linear(2, 2), {**NOTE, **more})
    assert (folder.finished() or {}).items() >= {**NOTE, **more}.items()


# -- stages that change while a user is asked


def clear(cache: Path, meanwhile: Callable[[], object], *argv: str) -> tuple[int, dict[str, Any]]:
    """`cache clear` with `meanwhile` between the question and the removal."""
    original = clearing.clear

    def later(*args: Any) -> clearing.Freed:
        meanwhile()
        return original(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clearing, "clear", later)
        result = CliRunner().invoke(cli, ["cache", "clear", *argv, "--yes", "--json", "--cache", str(cache)])
    return result.exit_code, json.loads(result.stdout)


def begun(cache: Path) -> StageFolder:
    """A stage with a checkpoint, used a week ago."""
    folder = stage(cache)
    with folder.locked():
        folder.begin()
        folder.save_checkpoint({"loops": [{"epoch": 0, "of": 2}]})
    age(folder)
    return folder


def age(folder: StageFolder, days: float = 7) -> None:
    for path in folder.path.iterdir():
        os.utime(path, (time.time() - days * DAY,) * 2)


def finish(folder: StageFolder) -> None:
    with folder.locked():
        folder.finish(nn.Linear(2, 2), NOTE)


def test_a_stage_that_is_finished_meanwhile_is_not_unfinished(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    code, told = clear(tmp_path, lambda: finish(folder), "--unfinished")
    assert code == 1 and told["files"] == 0 and folder.finished() is not None
    assert told["kept"] == [f"stage {folder.path.name}: another process has finished it since it was listed"]


def test_a_stage_that_is_used_meanwhile_is_not_old(tmp_path: Path) -> None:
    folder = begun(tmp_path)
    finish(folder)
    age(folder)
    code, told = clear(tmp_path, lambda: folder.restore(nn.Linear(2, 2)), "stages", "--older-than", "1d")
    assert code == 1 and folder.finished() is not None
    assert told["kept"] == [f"stage {folder.path.name}: it was used since it was listed"]
    age(folder)
    assert clear(tmp_path, lambda: None, "stages", "--older-than", "1d") == (0, {**told, "kept": [], **told_of(2)})


def told_of(files: int) -> dict[str, Any]:
    return {"files": files, "bytes": pytest.approx(1000, abs=900)}


def test_all_stages_are_all_stages(tmp_path: Path) -> None:
    """Without a condition on time or state, nothing that happens meanwhile changes the selection."""
    folder = begun(tmp_path)
    code, told = clear(tmp_path, lambda: finish(folder), "stages")
    assert (code, told["kept"], folder.path.exists()) == (0, [], False)


def test_clips_that_are_used_meanwhile_are_not_old(tmp_path: Path) -> None:
    recipe = tmp_path / "clips" / ("0" * 16) / "recipe.json"
    recipe.parent.mkdir(parents=True)
    recipe.write_text("{}")
    os.utime(recipe, (time.time() - 7 * DAY,) * 2)
    code, told = clear(tmp_path, lambda: os.utime(recipe), "clips", "--older-than", "1d")
    assert code == 1 and recipe.exists()
    assert told["kept"] == [f"clips {'0' * 16}: it was used since it was listed"]
