"""Folders at another place: complete files or none, nothing overwritten, one line for every error."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elrbench import ElrError, RunFailed
from elrbench_plugins.storage import local_folder
from elrbench_plugins.storage.local_folder import LocalFolder
from elrbench_plugins.storage.remote_folder import RemoteFolder, download, open_folder, read, without_password
from elrbench_plugins.storage.url_folder import UrlFolder

fsspec = pytest.importorskip("fsspec", reason="the extra 'hub' is not installed")
KINDS = ("path", "file", "memory", "store")


@pytest.fixture(params=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RemoteFolder]:
    """An empty folder of each kind. `store`: one in which a file appears when it is complete."""
    root = f"memory://{tmp_path.name}/deep"
    if request.param == "store":
        monkeypatch.setattr("elrbench_plugins.storage.url_folder.WHOLE", frozenset({"memory"}))
    names = {"path": str(tmp_path / "a" / "b"), "file": f"file://{tmp_path}/a/b", "memory": root, "store": root + "/"}
    yield open_folder(names[request.param])
    fsspec.filesystem("memory").store.clear()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(256)) * 100)
    return path


def test_files_go_there_and_back(folder: RemoteFolder, source: Path, tmp_path: Path) -> None:
    assert folder.files() == {}
    assert folder.upload("clips/ab/one.clip", source) and folder.upload("note", source)
    assert folder.files() == {"clips/ab/one.clip": 25600, "note": 25600}
    seen: list[int] = []
    digest = download(folder, "clips/ab/one.clip", tmp_path / "back", 25600, seen.append)
    assert (tmp_path / "back").read_bytes() == source.read_bytes() and sum(seen) == 25600
    assert digest == hashlib.sha256(source.read_bytes()).hexdigest()
    folder.remove("note")
    folder.remove("never there")
    assert list(folder.files()) == ["clips/ab/one.clip"]


def test_a_file_is_kept_unless_it_is_to_be_replaced(folder: RemoteFolder, source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"other")
    assert folder.upload("name", source) and not folder.upload("name", other)
    assert read(folder, "name", 1 << 20) == source.read_bytes()
    assert folder.upload("name", other, replace=True) and read(folder, "name", 10) == b"other"
    assert folder.files() == {"name": 5}


def test_a_longer_file_than_expected_is_cut_off_and_has_another_digest(
    folder: RemoteFolder, source: Path, tmp_path: Path
) -> None:
    folder.upload("name", source)
    digest = download(folder, "name", tmp_path / "back", 100)
    assert (tmp_path / "back").stat().st_size == 101
    assert digest != hashlib.sha256(source.read_bytes()[:100]).hexdigest()
    with pytest.raises(ElrError, match="more than 100 bytes"):
        read(folder, "name", 100)


def test_a_missing_file_is_one_line(folder: RemoteFolder, tmp_path: Path) -> None:
    for work in (lambda: read(folder, "absent", 10), lambda: download(folder, "absent", tmp_path / "x", 10)):
        with pytest.raises(ElrError, match="/absent does not exist") as stopped:
            work()
        assert "\n" not in str(stopped.value)


def test_an_interrupted_upload_leaves_no_file(
    folder: RemoteFolder, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local_folder, "_move", interrupt)
        if isinstance(folder, UrlFolder):
            patch.setattr(type(folder._fs), "put_file" if folder._whole else "mv", interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.upload("name", source)
    assert folder.files() == {}
    left = fsspec.filesystem("memory").store if isinstance(folder, UrlFolder) else list(folder.path.iterdir())
    assert not left
    assert folder.upload("name", source) and folder.files() == {"name": 25600}


def test_of_two_uploads_at_once_one_file_stays(tmp_path: Path) -> None:
    """Each thread finds the name free before any of them has moved its file there."""
    folder, barrier = LocalFolder(tmp_path / "shared"), threading.Barrier(8)
    taken: list[bool] = []

    def upload(number: int) -> None:
        path = tmp_path / f"source{number}"
        path.write_bytes(bytes([number]) * 1000)
        barrier.wait(10)
        taken.append(folder.upload("name", path))

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False] * 7 + [True]
    content = read(folder, "name", 1 << 20)
    assert len(content) == 1000 and len(set(content)) == 1
    assert [path.name for path in (tmp_path / "shared").iterdir()] == ["name"]


def test_a_file_system_without_hard_links(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    folder = LocalFolder(tmp_path / "shared")
    assert folder.upload("name", source) and not folder.upload("name", source)
    assert folder.files() == {"name": 25600}


def test_links_and_unfinished_uploads_are_no_files(tmp_path: Path, source: Path) -> None:
    folder = LocalFolder(tmp_path / "shared")
    folder.upload("name", source)
    (folder.path / "link").symlink_to("/etc/passwd")
    (folder.path / ".abc.part").write_text("half")
    assert folder.files() == {"name": 25600}


def test_a_large_folder_is_not_listed_to_its_end(tmp_path: Path) -> None:
    for number in range(20):
        (tmp_path / str(number)).touch()
    assert len(LocalFolder(tmp_path).files(most=5)) == 5


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "pass a path or a URL"),
        ("nonsense://x/y", "not a URL of a known file system"),
    ],
)
def test_a_url_that_cannot_be_used(url: str, words: str) -> None:
    with pytest.raises(ElrError, match=words) as stopped:
        open_folder(url)
    assert "\n" not in str(stopped.value)


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed")
def test_a_file_system_whose_package_is_absent() -> None:
    with pytest.raises(ElrError, match="needs a package that is not installed: .*s3fs"):
        open_folder("s3://bucket/folder")


def test_without_fsspec_a_url_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fsspec.core", None)
    with pytest.raises(ElrError, match="extra 'hub'"):
        open_folder("memory://x")
    assert isinstance(open_folder("x"), LocalFolder)


def test_errors_of_a_file_system_are_one_line(monkeypatch: pytest.MonkeyPatch, source: Path) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no\nconnection")

    folder = open_folder("memory://user:secret@place")
    assert isinstance(folder, UrlFolder)
    works: list[Callable[[], object]] = [folder.files, lambda: folder.upload("x", source), lambda: folder.remove("x")]
    for name in ("find", "exists"):
        monkeypatch.setattr(type(folder._fs), name, broken)
    for work in works:
        with pytest.raises(RunFailed, match="RuntimeError: no connection") as stopped:
            work()
        assert "secret" not in str(stopped.value) and "\n" not in str(stopped.value)


def test_a_password_is_not_printed() -> None:
    assert without_password("sftp://ada:secret@host/x") == "sftp://ada:***@host/x"
    assert without_password("s3://bucket/a@b") == "s3://bucket/a@b"
