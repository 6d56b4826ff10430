"""`elrbench cache push` and `pull`: one computer reuses what another one made; nothing is overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from exported import refused
from listening import Listening
from shared_cache import ALL, pulled, pushed
from shared_models import tree
from stopped_cache import Call, cache, call, flip, go, matched

from benchmark_core.catalog import Catalog
from benchmark_core.clips import clipfile
from benchmark_core.progress import Silent
from elrbench_plugins.commands.cache.contents import read_cache
from elrbench_plugins.commands.cache.pulling import pull
from elrbench_plugins.commands.cache.pushing import push
from elrbench_plugins.commands.cache.reading import verify
from elrbench_plugins.storage.local_folder import LocalFolder
from elrbench_plugins.storage.remote_folder import open_folder

__all__ = ["cache", "call"]  # fixtures

fsspec = pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


@pytest.fixture(params=["path", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    yield str(tmp_path / "shared") if request.param == "path" else f"memory://{tmp_path.name}"
    fsspec.filesystem("memory").store.clear()


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


# -- what is damaged here


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
