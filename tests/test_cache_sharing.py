"""`elrbench cache push` and `pull`: one computer reuses what another one made; nothing is overwritten."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from exported import refused
from filelock import FileLock
from listening import Listening
from safetensors.torch import load_file, save_file
from shared_models import tree
from stopped_cache import flip, go, matched, stop_after

from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.clips import clipfile
from benchmark_core.progress import Silent
from benchmark_core.training.training_loop import TrainingLoop
from elrbench import RunFailed
from elrbench_plugins.commands.cache.clearing import clearing_lock
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.pulling import Wanted, pull
from elrbench_plugins.commands.cache.pushing import push
from elrbench_plugins.commands.cache.reading import verify
from elrbench_plugins.commands.cache.sharing import Moved
from elrbench_plugins.storage.local_folder import LocalFolder
from elrbench_plugins.storage.remote_folder import open_folder

fsspec = pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")
Call = Callable[..., tuple[int, str, str]]
ALL = Wanted(clips=True, stages=True)


@pytest.fixture(scope="module")
def filled(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with 18 clips, one finished stage, and one stopped after its first epoch."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_save", stop_after(TrainingLoop._save, ("joint", 0)))
        with pytest.raises(KeyboardInterrupt):
            go(matched(toy_catalog), toy_catalog, folder)
    return folder


@pytest.fixture
def cache(filled: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(filled, tmp_path / "cache"))


@pytest.fixture(params=["path", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "shared") if request.param == "path" else f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*argv: str | Path) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["cache", *map(str, argv)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def pushed(cache: Path, url: str) -> Moved:
    return push(read_cache(cache), open_folder(url), cache=cache, reporter=Silent())


def pulled(cache: Path, url: str, wanted: Wanted = ALL) -> Moved:
    return pull(open_folder(url), wanted, cache=cache, reporter=Silent())


def test_a_second_computer_reuses_clips_and_stages(
    cache: Path, url: str, call: Call, tmp_path: Path, toy_catalog: Catalog
) -> None:
    code, out, _ = call("push", url, "--cache", cache, "--json")
    told = json.loads(out)
    assert code == 0 and told["faults"] == [] and told["left_out"] == ["1 stages are not finished"]
    assert told["clips"] == {"copied": 18, "present": 0} and told["stages"] == {"copied": 1, "present": 0}
    other = tmp_path / "other"
    code, out, _ = call("pull", url, "--cache", other, "--json")
    again = json.loads(out)
    assert code == 0 and again == {**told, "left_out": []}
    kept = {name: content for name, content in tree(cache).items() if name.startswith("clips/")}
    assert len(kept) == 20 and {name: value for name, value in tree(other).items() if name in kept} == kept
    assert verify(read_cache(other), reporter=Silent()).broken == ()
    (stage,) = read_cache(other).stages
    assert stage.name == "student" and stage.finished
    stages = go(matched(toy_catalog), toy_catalog, other)["stages"]
    assert [(one["name"], one["reused"]) for one in stages] == [("student", True), ("joint", False)]


def test_what_is_there_is_skipped_and_never_overwritten(cache: Path, url: str, tmp_path: Path) -> None:
    pushed(cache, url)
    before = {name: open_folder(url).files()[name] for name in open_folder(url).files()}
    again = pushed(cache, url)
    assert again.copied == {"clips": 0, "stages": 0} and again.present == {"clips": 18, "stages": 1}
    assert again.bytes == 0 and open_folder(url).files() == before
    pulled(tmp_path / "other", url)
    (clip, *_) = sorted((tmp_path / "other").rglob("*.clip"))
    clip.write_bytes(b"mine")
    again = pulled(tmp_path / "other", url)
    assert again.present == {"clips": 18, "stages": 1} and clip.read_bytes() == b"mine"


def test_the_lines_that_are_printed(cache: Path, call: Call, tmp_path: Path) -> None:
    code, out, said = call("push", tmp_path / "shared", "--cache", cache)
    assert code == 0 and out.splitlines()[0] == "not shared: 1 stages are not finished"
    assert out.splitlines()[1].startswith(
        f"copied from {cache} to {tmp_path / 'shared'}: 18 clips (0 were there), 1 stages (0 were there), "
    )
    assert "clips: 18/18" in said and "stages: 1/1" in said


# -- selections


def test_parts_formats_and_stages(cache: Path, call: Call, tmp_path: Path) -> None:
    def names(folder: str, *words: str) -> set[str]:
        assert call("push", tmp_path / folder, *words, "--cache", cache)[0] == 0
        return {name.split("/")[0] for name in LocalFolder(tmp_path / folder).files()}

    key = read_cache(cache).formats[0].key
    assert names("a", "clips") == {"clips"} == names("b", "--recipe", key[:5])
    assert names("c", "stages") == {"stages"} == names("d", "--stage", "student")
    assert names("e") == {"clips", "stages"} == names("f", "clips", "stages")
    for words, kinds in ((("clips",), {"clips"}), (("--stage", "student"), {"stages"}), (("--recipe", key), {"clips"})):
        other = tmp_path / f"pulled-{'-'.join(words)}"
        assert call("pull", tmp_path / "e", *words, "--cache", other)[0] == 0
        assert {name.split("/")[0] for name in tree(other)} - {"locks"} == kinds
    assert "unknown stage 'studen'" in refused(call("pull", tmp_path / "e", "--stage", "studen", "--cache", cache))
    assert "unknown stored format 'ff'" in refused(call("pull", tmp_path / "e", "--recipe", "ff", "--cache", cache))
    text = refused(call("push", tmp_path / "g", "counts", "--cache", cache))
    assert "unknown part of a shared cache 'counts'" in text and not (tmp_path / "g").exists()


# -- damage


def test_what_is_damaged_here_is_not_shared(cache: Path, url: str, call: Call) -> None:
    clip = sorted(cache.rglob("*.clip"))[0]
    flip(clip, 600)
    (weights,) = cache.rglob("module.safetensors")
    flip(weights, -1)
    code, out, _ = call("push", url, "--cache", cache)
    assert code == 1 and f"{clip}: damaged, so it is not shared" in out and "its module.safetensors differs" in out
    files = open_folder(url).files()
    assert len([name for name in files if name.endswith(".clip")]) == 17
    assert not [name for name in files if name.startswith("stages/")]


def test_what_has_no_checksum_is_not_shared(cache: Path, url: str) -> None:
    clip = sorted(cache.rglob("*.clip"))[0]
    content = clip.read_bytes()
    header = json.loads(content[: clipfile.HEADER_BYTES])
    del header["checksum"]
    clip.write_bytes(json.dumps(header).encode().ljust(clipfile.HEADER_BYTES) + content[clipfile.HEADER_BYTES :])
    (note,) = cache.rglob("stage.json")
    plain = json.loads(note.read_text())
    del plain["sha256"]
    note.write_text(json.dumps(plain))
    moved = pushed(cache, url)
    assert moved.copied == {"clips": 17, "stages": 0}
    assert any("no checksum" in fault for fault in moved.faults)
    assert "1 stages of an older version have no checksum" in moved.left_out


def change_note(shared: Path, change: Callable[[dict[str, Any]], object]) -> None:
    (path,) = shared.rglob("stage.json")
    note = json.loads(path.read_text())
    change(note)
    path.write_text(json.dumps(note))


def other_weights(shared: Path) -> None:
    """Valid weights of another training under the name of the first."""
    (path,) = shared.rglob("*.safetensors")
    weights = load_file(path)
    save_file({name: value + 1 for name, value in weights.items()}, path)


def pickled_weights(shared: Path) -> None:
    """A pickle whose digest is right."""
    (path,) = shared.rglob("*.safetensors")
    content = pickle.dumps({"weight": [1.0]})
    digest = hashlib.sha256(content).hexdigest()
    path.unlink()
    path.with_name(f"{digest}.safetensors").write_bytes(content)
    change_note(shared, lambda note: note.update(sha256=digest, bytes=len(content)))


def first(shared: Path, pattern: str) -> Path:
    return sorted(shared.rglob(pattern))[0]


HARM: dict[str, tuple[Callable[[Path], object], str, tuple[int, int]]] = {
    "a changed clip": (lambda shared: flip(first(shared, "*.clip"), 600), "damaged", (17, 1)),
    "a short clip": (lambda shared: first(shared, "*.clip").write_bytes(b"x"), "damaged", (17, 1)),
    "another format": (lambda shared: first(shared, "recipe.json").write_text("{}"), "do not match its key", (0, 1)),
    "no JSON": (lambda shared: first(shared, "recipe.json").write_text("{"), "do not match its key", (0, 1)),
    "changed weights": (lambda shared: flip(first(shared, "*.safetensors"), -1), "another sha256", (18, 0)),
    "other weights": (other_weights, "another sha256", (18, 0)),
    "no weights": (lambda shared: first(shared, "*.safetensors").unlink(), "weights are missing", (18, 0)),
    "pickled weights": (pickled_weights, "not a safetensors file", (18, 0)),
    "another stage": (
        lambda shared: change_note(shared, lambda note: note["numbers"].update(seed=7)),
        "is that of another stage",
        (18, 0),
    ),
    "an empty note": (lambda shared: first(shared, "stage.json").write_text("{}"), "lacks what a stage is", (18, 0)),
    "a damaged note": (lambda shared: first(shared, "stage.json").write_text("{"), "is damaged", (18, 0)),
    "a note without seconds": (
        lambda shared: change_note(shared, lambda note: note.pop("seconds")),
        "its stage.json has no valid 'seconds'; not used",
        (18, 0),
    ),
    "weights elsewhere": (
        lambda shared: change_note(shared, lambda note: note.update(sha256="../" * 20 + "etc/")),
        "another stage",
        (18, 0),
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_what_is_damaged_there_is_not_used(cache: Path, tmp_path: Path, call: Call, harm: str) -> None:
    change, words, copied = HARM[harm]
    pushed(cache, str(tmp_path / "shared"))
    change(tmp_path / "shared")
    code, out, _ = call("pull", tmp_path / "shared", "--cache", tmp_path / "other", "--json")
    told = json.loads(out)
    assert code == 1 and len(told["faults"]) == 1 and words in told["faults"][0]
    assert (told["clips"]["copied"], told["stages"]["copied"]) == copied
    found = read_cache(tmp_path / "other")
    assert verify(found, reporter=Silent()).broken == ()
    assert not list((tmp_path / "other").rglob("*.tmp")) and not list((tmp_path / "other").rglob("*.part"))
    assert sum(one.clips for one in found.formats) == copied[0]
    assert sum(stage.finished for stage in found.stages) == copied[1]


def test_names_that_leave_the_cache_are_ignored(cache: Path, tmp_path: Path) -> None:
    pushed(cache, str(tmp_path / "shared"))
    folder = LocalFolder(tmp_path / "shared")
    key = read_cache(cache).formats[0].key
    (clip, *_) = sorted(cache.rglob("*.clip"))
    for name in (f"clips/{key}/zz/{clip.name}", f"clips/{key}/ab/.hidden.clip", "stages/..-0123456789abcdef/stage.json",
                 "checkpoint.pt", "stages/student/x.py"):  # fmt: skip
        folder.upload(name, clip)
    pulled(tmp_path / "other", str(tmp_path / "shared"))
    assert len(list((tmp_path / "other").rglob("*.clip"))) == 18
    assert {path.name for path in (tmp_path / "other").iterdir()} == {"clips", "stages", "locks"}
    assert not list((tmp_path / "other").rglob("*.p[ty]"))


# -- several processes


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


def test_an_interrupted_copy_continues(cache: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = open_folder(url)
    kind, real, seen = type(folder), type(folder).upload, []

    def stop(self: Any, name: str, source: Path, *, replace: bool = False) -> bool:
        seen.append(name)
        if len(seen) > 8:
            raise KeyboardInterrupt
        return bool(real(self, name, source, replace=replace))

    with monkeypatch.context() as patch:
        patch.setattr(kind, "upload", stop)
        with pytest.raises(KeyboardInterrupt):
            pushed(cache, url)
    assert 0 < len(folder.files()) < 20
    moved = pushed(cache, url)
    assert moved.present["clips"] > 0 and sum(map(sum, (moved.copied.values(), moved.present.values()))) == 19
    assert pulled(tmp_path / "other", url).copied == {"clips": 18, "stages": 1}


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


# -- sources and mistakes


def test_clips_of_other_source_code_are_announced(cache: Path, tmp_path: Path) -> None:
    pushed(cache, str(tmp_path / "shared"))
    (note,) = cache.glob("clips/*/source.json")
    note.write_text('{"module_code": "other"}')
    heard = Listening()
    push(read_cache(cache), LocalFolder(tmp_path / "shared"), cache=cache, reporter=heard)
    pull(LocalFolder(tmp_path / "shared"), ALL, cache=cache, reporter=heard)
    assert len(heard.warnings) == 2 and all("other source code" in line for line in heard.warnings)


def test_mistakes_are_one_line(cache: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    shared = tmp_path / "shared"
    assert "does not exist" in refused(call("push", shared, "--cache", tmp_path / "absent"))
    assert "is not a cache of elrbench" in refused(call("push", shared, "--cache", tmp_path / "mine"))
    assert "is not a cache of elrbench" in refused(call("pull", shared, "--cache", tmp_path / "mine"))
    assert "holds no clips and no stages" in refused(call("pull", tmp_path / "absent", "--cache", cache))
    assert "is the cache itself" in refused(call("push", cache, "--cache", cache))
    assert "each file would be a commit" in refused(call("push", "hf://ada/cache", "--cache", cache))
    assert "not a URL of a known file system" in refused(call("push", "nonsense://x", "--cache", cache))
    shared.write_text("a file")
    assert "cannot be" in refused(call("push", shared, "--cache", cache), 1)
