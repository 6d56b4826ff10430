"""Digests of files are remembered, and never wrong."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from benchmark_core.clips.digests import Digests

LONG_AGO = 1_500_000_000_000_000_000  # ns


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each digest that is computed; files count as settled, whatever their times."""
    done: list[int] = []
    sha256 = hashlib.sha256

    def counted() -> object:
        done.append(1)
        return sha256()

    monkeypatch.setattr("benchmark_core.clips.digests.hashlib.sha256", counted)
    monkeypatch.setattr("benchmark_core.clips.digests.SETTLED", -(10**18))
    return done


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return hashlib.new("sha256", content).hexdigest()


def test_a_second_process_does_not_read_again(tmp_path: Path, reads: list[int]) -> None:
    digest = write(tmp_path / "a (1)! + &.avi", b"content")
    first = Digests(tmp_path / "cache" / "digests.sqlite")
    assert first.of(tmp_path / "a (1)! + &.avi") == digest == first.of(tmp_path / "a (1)! + &.avi") and len(reads) == 1
    assert not first.path.exists()
    first.save()
    second = Digests(first.path)
    assert second.of(tmp_path / "a (1)! + &.avi") == digest and len(reads) == 1


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_file_that_changes_is_read_again(tmp_path: Path, reads: list[int], keep_time: bool) -> None:
    path, store = tmp_path / "a", tmp_path / "digests.sqlite"
    write(path, b"one")
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    known = Digests(store)
    known.of(path)
    known.save()
    time.sleep(0.02)  # a tick of the file system's clock
    digest = write(path, b"two")  # as long as before
    if keep_time:
        os.utime(path, ns=(LONG_AGO, LONG_AGO))  # as copying tools do
    assert known.of(path) == digest == Digests(store).of(path)


def test_what_was_changed_a_moment_ago_is_not_written_down(tmp_path: Path) -> None:
    path = tmp_path / "a"
    digest = write(path, b"one")
    known = Digests(tmp_path / "digests.sqlite")
    assert known.of(path) == digest
    known.save()
    assert not known.path.exists()


@pytest.mark.parametrize("harm", ["scribbled", "emptied", "cut", "foreign", "folder"])
def test_a_damaged_memory_is_no_error(tmp_path: Path, reads: list[int], harm: str) -> None:
    path, store = tmp_path / "a", tmp_path / "digests.sqlite"
    digest = write(path, b"one")
    known = Digests(store)
    known.of(path)
    known.save()
    del known
    whole = store.read_bytes()
    if harm == "folder":
        store.unlink()
        store.mkdir()
    elif harm == "foreign":
        with sqlite3.connect(store) as connection:
            connection.execute("UPDATE contents SET known = 'text'")
        connection.close()
    else:
        store.write_bytes({"scribbled": b"\xff" * len(whole), "emptied": b"", "cut": whole[: len(whole) // 2]}[harm])
    again = Digests(store)
    assert again.of(path) == digest and len(reads) == 2
    again.save()
    assert Digests(store).of(path) == digest
    assert len(reads) == (3 if harm == "folder" else 2)


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path, reads: list[int]) -> None:
    (tmp_path / "cache").write_text("in the way")
    known = Digests(tmp_path / "cache" / "digests.sqlite")
    digest = write(tmp_path / "a", b"one")
    assert known.of(tmp_path / "a") == digest
    known.save()
    assert known.of(tmp_path / "a") == digest and len(reads) == 1


def test_only_files_have_digests(tmp_path: Path) -> None:
    known = Digests(tmp_path / "digests.sqlite")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "one").symlink_to(tmp_path / "other")
    (tmp_path / "other").symlink_to(tmp_path / "one")
    for name in ("pipe", "one", "absent", "."):
        with pytest.raises(OSError):
            known.of(tmp_path / name)
    with pytest.raises(OSError, match="not a regular file"):
        known.of(Path("/dev/zero"))


def test_threads_may_ask_at_once(tmp_path: Path, reads: list[int]) -> None:
    digests = {tmp_path / str(number): write(tmp_path / str(number), bytes([number])) for number in range(40)}
    known = Digests(tmp_path / "digests.sqlite")
    known.of(tmp_path / "0")
    known.save()
    wrong: list[Path] = []

    def ask() -> None:
        for path, digest in digests.items():
            if known.of(path) != digest:
                wrong.append(path)
            known.save()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    del reads[:]
    assert all(Digests(known.path).of(path) == digest for path, digest in digests.items()) and not reads
