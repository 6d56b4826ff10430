"""A shared cache used by several processes at once, and the order of copies, in which no file is half there."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import pytest
from exported import refused
from filelock import FileLock
from safetensors.torch import load_file, save_file
from shared_cache import ALL, pulled, pushed
from stopped_cache import Call, cache, call

from benchmark_core.catalog import Catalog
from benchmark_core.progress import Silent
from elrbench import RunFailed
from elrbench_plugins.commands.cache.clearing import clearing_lock
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.pulling import pull
from elrbench_plugins.commands.cache.pushing import push
from elrbench_plugins.commands.cache.reading import verify
from elrbench_plugins.storage.local_folder import LocalFolder

__all__ = ["cache", "call"]  # fixtures

pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


def test_two_trainings_of_one_stage_do_not_mix(cache: Path, tmp_path: Path) -> None:
    """Two computers trained it with different last bits: the first note wins, and names its own weights."""
    second = Path(shutil.copytree(cache, tmp_path / "second"))
    (weights,) = second.rglob("module.safetensors")
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    (note,) = second.rglob("stage.json")
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    note.write_text(json.dumps({**json.loads(note.read_text()), "sha256": digest, "bytes": weights.stat().st_size}))

    class Late(LocalFolder):
        """Before the note of the second is written, the first computer pushes the whole stage."""

        def upload(self, name: str, source: Path, *, replace: bool = False) -> bool:
            if name.endswith("stage.json"):
                pushed(cache, str(self.path))
            return super().upload(name, source, replace=replace)

    moved = push(read_cache(second), Late(tmp_path / "shared"), cache=second, reporter=Silent())
    assert moved.present["stages"] == 1
    assert len(list((tmp_path / "shared").rglob("*.safetensors"))) == 2
    assert pulled(tmp_path / "other", str(tmp_path / "shared")).copied["stages"] == 1
    (got,) = (tmp_path / "other").rglob("module.safetensors")
    (own,) = cache.rglob("module.safetensors")
    assert got.read_bytes() == own.read_bytes()


def work(task: str, cache: Path, url: str, queue: Any) -> None:
    queue.put((pushed if task == "push" else pulled)(cache, url).to_json())


def test_processes_that_push_and_pull_at_once(cache: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")

    def both(task: str, *caches: Path) -> list[dict[str, Any]]:
        queue = context.Queue()
        made = [context.Process(target=work, args=(task, one, str(tmp_path / "shared"), queue)) for one in caches]
        for process in made:
            process.start()
        results = [queue.get(timeout=120) for _ in made]
        for process in made:
            process.join()
        return results

    second = Path(shutil.copytree(cache, tmp_path / "second"))
    for results in (both("push", cache, second), both("pull", tmp_path / "other", tmp_path / "other")):
        assert [result["faults"] for result in results] == [[], []]
        assert sum(result["clips"]["copied"] for result in results) == 18  # each clip once
        assert sum(result["stages"]["copied"] for result in results) == 1
    assert len(LocalFolder(tmp_path / "shared").files()) == 18 + 2 + 2
    assert verify(read_cache(tmp_path / "other"), reporter=Silent()).broken == ()


def test_a_stage_that_is_being_trained_is_left_alone(cache: Path, tmp_path: Path, toy_catalog: Catalog) -> None:
    pushed(cache, str(tmp_path / "shared"))
    (student,) = (cache / "stages").glob("student-*")
    other = tmp_path / "other" / "stages" / student.name
    other.mkdir(parents=True)
    (other / "begun.json").write_text("{}")
    with FileLock(other / "lock"):
        moved = pulled(tmp_path / "other", str(tmp_path / "shared"))
    assert "another process is training it" in moved.faults[0] and not (other / "stage.json").exists()
    (other / "checkpoint.pt").write_text("half")
    assert pulled(tmp_path / "other", str(tmp_path / "shared")).copied["stages"] == 1
    assert {path.name for path in other.iterdir()} == {"module.safetensors", "stage.json", "lock"}


def test_clips_are_not_cleared_meanwhile(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free: list[bool] = []

    class Watched(LocalFolder):
        def files(self, most: int = 0) -> dict[str, int]:
            with clearing_lock(cache) as found:
                free.append(found)
            return super().files(most)

    push(read_cache(cache), Watched(tmp_path / "shared"), cache=cache, reporter=Silent())
    pull(Watched(tmp_path / "shared"), ALL, cache=cache, reporter=Silent())
    assert free == [False, False]


def test_weights_come_before_their_note_and_a_format_before_its_clips(cache: Path, tmp_path: Path) -> None:
    order: list[str] = []

    class Ordered(LocalFolder):
        def upload(self, name: str, source: Path, *, replace: bool = False) -> bool:
            order.append(name.rpartition("/")[2])
            return super().upload(name, source, replace=replace)

    push(read_cache(cache), Ordered(tmp_path / "shared"), cache=cache, reporter=Silent())
    assert order[:2] == ["source.json", "recipe.json"] and all(name.endswith(".clip") for name in order[2:20])
    assert order[20].endswith(".safetensors") and order[21:] == ["stage.json"]


def test_a_connection_that_breaks_is_one_line(
    cache: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: LocalFolder, name: str) -> Any:
        raise RunFailed(f"{self.shown}/{name} cannot be reached or written (RuntimeError: no connection)")

    pushed(cache, str(tmp_path / "shared"))
    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "open", broken)
        for _ in range(2):
            text = refused(call("pull", tmp_path / "shared", "clips", "--cache", tmp_path / "other"), 1)
            assert "no connection" in text
    assert call("pull", tmp_path / "shared", "--cache", tmp_path / "other")[0] == 0
