"""A checkpoint that is not what its stage saved is reported, and the stage restarts; nothing in it is executed."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from listening import Listening

from benchmark_core.catalog import Catalog
from benchmark_core.cli.app import cli
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import SILENT, Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_folder import StageFolder
from benchmark_core.training.training_loop import TrainingLoop
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.reading import verify

KEY = StageKey(name="student", function="f", revision=1, numbers={"seed": 0})
STATE: dict[str, Any] = {
    "loops": [{"epoch": 2, "of": 5, "state": [{"weight": torch.arange(300.0)}, {"lr": 0.1}]}],
    "updates": 12,
    "seconds": 1.5,
    "history": [{"epoch": 0, "loss": 1.0}],
    "notes": [],
}


def saved(root: Path, key: StageKey = KEY, warn: Callable[[str], None] = SILENT.warn) -> tuple[StageFolder, Path]:
    folder = StageFolder(root, key, warn)
    folder.begin()
    folder.save_checkpoint(STATE)
    return folder, folder.path / "checkpoint.pt"


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    folder, _ = saved(tmp_path)
    state = folder.load_checkpoint()
    assert state is not None and str(state) == str(STATE)
    (stage,) = read_cache(tmp_path).stages
    assert stage.epoch == (3, 5) and verify(read_cache(tmp_path), reporter=Silent()).broken == ()


def test_each_of_400_flipped_bits_is_noticed(tmp_path: Path) -> None:
    heard = Listening()
    folder, path = saved(tmp_path, warn=heard.warn)
    whole, chosen = path.read_bytes(), random.Random(1)
    for turn in range(400):
        content = bytearray(whole)
        content[turn if turn < 200 else chosen.randrange(len(whole))] ^= 1 << chosen.randrange(8)
        path.write_bytes(content)
        assert folder.load_checkpoint() is None
        assert len(read_cache(tmp_path).stages) == 1
        assert len(verify(read_cache(tmp_path), reporter=Silent()).broken) == 1
    assert len(heard.warnings) == 400
    assert all("stage 'student'" in line and "first epoch" in line and "\n" not in line for line in heard.warnings)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def torch_bytes(value: Any) -> bytes:
    content = io.BytesIO()
    torch.save(value, content)
    return content.getvalue()


def foreign(folder: Path) -> dict[str, bytes]:
    """Files that are not a checkpoint of the stage, by what they are."""
    _, other = saved(folder / "other", StageKey(name="student", function="f", revision=2, numbers={}))
    return {
        "empty": b"",
        "four bytes": b"PK\x03\x04",
        "a list": torch_bytes([1, 2, 3]),
        "an older version's": torch_bytes(STATE),
        "a trap": torch_bytes({"loops": Trap(folder / "trap")}),
        "a pickled trap": pickle.dumps(Trap(folder / "trap")),
        "a picture": b"\x89PNG\r\n\x1a\n" + bytes(1000),
        "the first line alone": b"elrbench checkpoint " + b"0" * 64 + b"\n",
        "another stage's": other.read_bytes(),
    }


@pytest.mark.parametrize("name", [
    "empty", "four bytes", "a list", "an older version's", "a trap", "a pickled trap", "a picture",
    "the first line alone", "another stage's",
])  # fmt: skip
def test_another_file_is_reported_and_not_loaded(tmp_path: Path, name: str) -> None:
    heard = Listening()
    folder, path = saved(tmp_path / "cache", warn=heard.warn)
    path.write_bytes(foreign(tmp_path)[name])
    assert folder.load_checkpoint() is None and not (tmp_path / "trap").exists()
    (line,) = heard.warnings
    assert str(path) in line and "first epoch" in line
    listed = CliRunner().invoke(cli, ["cache", "ls", "--json", "--cache", str(tmp_path / "cache")])
    assert listed.exit_code == 0 and json.loads(listed.stdout)["stages"][0]["finished"] is False
    assert CliRunner().invoke(cli, ["cache", "ls", "--cache", str(tmp_path / "cache")]).exit_code == 0
    (broken,) = verify(read_cache(tmp_path / "cache"), reporter=Silent()).broken
    assert broken.reason.startswith("its checkpoint.pt ")


@pytest.mark.parametrize("harm", ["none", "flipped", "older"])
def test_a_run_resumes_or_restarts_with_the_same_result(
    toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path, harm: str
) -> None:
    def go(name: str, reporter: Silent) -> bytes:
        context = RunContext(out=tmp_path / name / "out", cache=tmp_path / name / "cache", reporter=reporter)
        result = run(toy_plan, toy_catalog, context)
        return (tmp_path / name / "out" / result.record["predictions"]["file"]).read_bytes()

    original = TrainingLoop._save

    def stop(self: TrainingLoop, *args: Any) -> None:
        original(self, *args)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_save", stop)
        with pytest.raises(KeyboardInterrupt):
            go("stopped", Silent())
    (path,) = (tmp_path / "stopped").rglob("checkpoint.pt")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if harm != "none":
        path.write_bytes(content if harm == "flipped" else torch_bytes({"loops": []}))
    heard = Listening()
    assert go("stopped", heard) == go("whole", Silent())
    resumed = [line for line in heard.lines if "resuming at epoch 2" in line]
    restarted = [line for line in heard.warnings if "first epoch" in line]
    assert (len(resumed), len(restarted)) == ((1, 0) if harm == "none" else (0, 1))


def test_a_damaged_finished_stage_is_reported(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    heard = Listening()
    context = RunContext(out=tmp_path / "out", cache=tmp_path / "cache", reporter=heard)
    run(toy_plan, toy_catalog, context)
    (path,) = (tmp_path / "cache").rglob("module.safetensors")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 4]))
    heard.warnings.clear()
    run(toy_plan, toy_catalog, context)
    damaged = [line for line in heard.warnings if "damaged" in line]
    assert len(damaged) == 1 and "stage 'student'" in damaged[0] and "trained again" in damaged[0]
    assert path.read_bytes() == whole


def test_checkpoints_and_folders_reach_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content before the rename, and the rename before anything that relies on it."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        done.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    def renamed(self: Path, target: Path) -> Path:
        done.append("rename")
        return replace(self, target)

    folder = StageFolder(tmp_path, KEY)
    folder.begin()
    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    folder.save_checkpoint(STATE)
    assert done == ["file", "rename", "folder"]
