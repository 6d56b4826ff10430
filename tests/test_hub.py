"""`elrbench hub push` and `pull` with folders: a model goes there and back, and is never mixed with another one."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from exported import Call, refused
from shared_models import FREE, call, finished, shared, toy_run, tree

from benchmark_core.catalog import Catalog
from benchmark_core.records.record import find_record, read_record
from elrbench_plugins.commands.hub import places
from elrbench_plugins.commands.hub.manifest import CARD, MANIFEST
from elrbench_plugins.commands.hub.model_files import WEIGHTS

__all__ = ["call", "finished", "shared"]  # fixtures

fsspec = pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")


@pytest.fixture(scope="module")
def other(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of another seed."""
    return toy_run(toy_catalog, tmp_path_factory.mktemp("hub"), seed=1)


@pytest.fixture(params=["path", "file", "memory"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    names = {"path": tmp_path / "shared", "file": f"file://{tmp_path}/shared", "memory": f"memory://{tmp_path.name}"}
    yield str(names[request.param])
    fsspec.filesystem("memory").store.clear()


def test_a_run_goes_there_and_back_and_predicts_the_same(
    finished: Path, target: str, call: Call, tmp_path: Path
) -> None:
    code, out, said = call("hub", "push", finished, target, *FREE, "--json")
    assert code == 0, said
    pushed = json.loads(out)
    record = read_record(find_record(finished))
    named = f"supervised-{record['digest']}"
    assert set(pushed["files"]) == {WEIGHTS, f"{named}.json", f"{named}.predictions.csv.gz", CARD}
    assert (pushed["state"], pushed["form"], pushed["digest"]) == ("pushed", "run", record["digest"])
    assert (pushed["license"], pushed["data"]) == ("mit", {"toy": "not stated"})
    code, out, said = call("hub", "pull", target, "--out", tmp_path / "model", "--json")
    assert code == 0, said
    pulled = json.loads(out)
    assert pulled["files"] == pushed["files"] and pulled["folder"] == str(tmp_path / "model")
    found = tree(tmp_path / "model")
    assert set(found) == {*pushed["files"], MANIFEST}
    for name, file in pushed["files"].items():
        assert (len(found[name]), hashlib.sha256(found[name]).hexdigest()) == (file["bytes"], file["sha256"])
        assert name == CARD or found[name] == (finished / name).read_bytes()
    cache = finished.parent / "cache"
    for folder, out_file in ((finished, "a.csv.gz"), (tmp_path / "model", "b.csv.gz")):
        assert call("predict", folder, "--cache", cache, "--out", tmp_path / out_file)[0] == 0
    assert gzip.decompress((tmp_path / "a.csv.gz").read_bytes()) == gzip.decompress(
        (tmp_path / "b.csv.gz").read_bytes()
    )
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_the_printed_lines_name_files_licences_and_the_next_command(finished: Path, call: Call, tmp_path: Path) -> None:
    _, out, said = call("hub", "push", finished, tmp_path / "shared", *FREE)
    assert "4 files" in out and "licence of the weights: mit" in out and "licence of the data 'toy'" in out
    assert f"elrbench hub pull {tmp_path / 'shared'} --out DIR" in out
    assert "bytes" in said and "upload to" in said
    _, out, _ = call("hub", "pull", tmp_path / "shared", "--out", tmp_path / "model")
    assert f"elrbench predict {tmp_path / 'model'} --data PATH" in out and "licence of the weights: mit" in out


def test_the_same_again_changes_nothing(shared: Path, finished: Path, call: Call, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in shared.iterdir()}
    code, out, _ = call("hub", "push", finished, shared, *FREE)
    assert code == 0 and "already holds this model" in out
    assert {path: path.stat().st_mtime_ns for path in shared.iterdir()} == before
    for state in ("pulled", "unchanged"):
        code, out, _ = call("hub", "pull", shared, "--out", tmp_path / "model", "--json")
        assert (code, json.loads(out)["state"]) == (0, state)


def test_another_model_needs_replace(shared: Path, other: Path, call: Call, tmp_path: Path) -> None:
    before = tree(shared)
    text = refused(call("hub", "push", other, shared, *FREE))
    assert "already holds another model" in text and "--replace" in text and tree(shared) == before
    assert call("hub", "push", other, shared, *FREE, "--replace")[0] == 0
    digest = read_record(find_record(other))["digest"]
    assert all(digest in name for name in tree(shared) if name.startswith("supervised-")) and len(tree(shared)) == 5
    assert call("hub", "pull", shared, "--out", tmp_path / "model")[0] == 0


def test_files_of_something_else_are_never_touched(finished: Path, call: Call, tmp_path: Path) -> None:
    (tmp_path / "shared" / "deep").mkdir(parents=True)
    (tmp_path / "shared" / "deep" / "thesis.tex").write_text("mine")
    for flags in ((), ("--replace",)):
        text = refused(call("hub", "push", finished, tmp_path / "shared", *FREE, *flags))
        assert "'deep/thesis.tex'" in text and "empty folder" in text
    assert tree(tmp_path / "shared") == {"deep/thesis.tex": b"mine"}
    assert "not part of a model" in refused(call("hub", "push", finished, finished, *FREE))  # onto itself


def test_an_interrupted_upload_is_no_model_until_it_is_repeated(
    finished: Path, other: Path, target: str, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run, flags in ((finished, ()), (other, ("--replace",))):
        with monkeypatch.context() as patch:
            patch.setattr(places.FolderPlace, "publish", stop_before_the_manifest(places.FolderPlace.publish))
            assert call("hub", "push", run, target, *FREE, *flags)[0] == 1
        text = refused(call("hub", "pull", target, "--out", tmp_path / "model"))
        assert MANIFEST in text and "interrupted" in text and not (tmp_path / "model").exists()
        if run is finished:
            assert call("hub", "push", run, target, *FREE)[0] == 0


def stop_before_the_manifest(publish: Callable[..., str]) -> Callable[..., str]:
    def interrupted(self: places.FolderPlace, files: Any, remove: Any, message: str, progress: Any) -> str:
        def upload(name: str, source: Path, *, replace: bool = False) -> bool:
            if name == MANIFEST:
                raise KeyboardInterrupt
            return real(name, source, replace=replace)

        real, self.folder.upload = self.folder.upload, upload  # type: ignore[method-assign]
        return publish(self, files, remove, message, progress)

    return interrupted


def test_a_run_is_found_by_its_digest(
    finished: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = read_record(find_record(finished))["digest"]
    shutil.copytree(finished, tmp_path / "elrbench-runs" / digest)
    monkeypatch.chdir(tmp_path)
    assert call("hub", "push", digest[:6], "shared", *FREE)[0] == 0
    assert call("hub", "pull", "shared", "--out", "model")[0] == 0
