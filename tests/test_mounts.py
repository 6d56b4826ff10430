"""File systems whose locks hold on one computer only are refused for caches, in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark_core import mounts
from benchmark_core.cli.app import cli
from benchmark_core.clips.locks import locked, reader_lock
from benchmark_core.file_lock import acquire
from benchmark_core.mounts import local_locks
from benchmark_core.training.keys import StageKey
from benchmark_core.training.stage_folder import StageFolder
from elrbench import RunFailed

Mounted = Callable[[str], None]
KEY = StageKey(name="student", function="f", revision=1, numbers={})


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mounted]:
    """`mounted("nfs rw,local_lock=all")`: the file system of `tmp_path` is of this type, with these options."""
    device = os.stat(tmp_path).st_dev
    table = tmp_path / "mountinfo"

    def mount(what: str) -> None:
        kind, _, options = what.partition(" ")
        table.write_text(
            "22 27 0:99999 / /proc rw,relatime - proc proc rw\n"
            "broken line\n"
            f"36 35 {os.major(device)}:{os.minor(device)} /a /b rw,noatime shared:7 - {kind} host:/x {options}\n"
        )
        monkeypatch.setattr(mounts, "MOUNTS", table)
        mounts._mounts.cache_clear()

    yield mount
    mounts._mounts.cache_clear()


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("nfs rw,vers=3,local_lock=all", "nfs with local_lock=all"),
        ("nfs rw,vers=3,local_lock=flock", "nfs with local_lock=flock"),
        ("nfs rw,vers=3,local_lock=posix", ""),
        ("nfs4 rw,vers=4.2,local_lock=none", ""),
        ("cifs rw,nobrl,vers=3.1.1", "cifs with nobrl"),
        ("cifs rw,vers=3.1.1", ""),
        ("lustre rw,localflock", "lustre with localflock"),
        ("lustre rw,flock", ""),
        ("fuse.sshfs rw,user_id=0", "fuse.sshfs"),
        ("fuse.gcsfuse rw", "fuse.gcsfuse"),
        ("fuse.fuse-overlayfs rw", ""),
        ("ext4 rw,nobrl", ""),
    ],
)
def test_what_a_mount_says_about_locks(mounted: Mounted, tmp_path: Path, what: str, reason: str) -> None:
    mounted(what)
    assert local_locks(tmp_path) == reason


def test_without_a_table_of_mounts_nothing_is_known(mounted: Mounted, tmp_path: Path) -> None:
    mounted("fuse.sshfs rw")
    (tmp_path / "mountinfo").unlink()
    assert local_locks(tmp_path) == "" and local_locks(tmp_path / "absent") == ""


def test_every_lock_of_a_cache_is_refused_in_one_line(mounted: Mounted, tmp_path: Path) -> None:
    mounted("fuse.sshfs rw")
    works: list[Callable[[], object]] = [
        lambda: acquire(tmp_path / "lock"),
        lambda: locked(tmp_path, "aa").__enter__(),
        lambda: reader_lock(tmp_path).__enter__(),
        lambda: StageFolder(tmp_path, KEY).locked().__enter__(),
    ]
    for work in works:
        with pytest.raises(RunFailed) as stopped:
            work()
        text = str(stopped.value)
        assert "fuse.sshfs" in text and "this computer only" in text and "--cache DIR" in text and "\n" not in text
        assert "elrbench cache push" in text
    mounted("nfs4 rw,local_lock=none")
    with acquire(tmp_path / "lock", timeout=0):  # was released
        pass


def test_doctor_names_it(mounted: Mounted, tmp_path: Path) -> None:
    mounted("nfs rw,local_lock=all")
    result = CliRunner().invoke(cli, ["doctor", "--cache", str(tmp_path / "cache"), "--json"])
    (trouble,) = (line for line in json.loads(result.stdout)["troubles"] if "file locks" in line)
    assert str(tmp_path / "cache") in trouble and "nfs with local_lock=all" in trouble and result.exit_code == 1


def test_a_cache_that_is_only_read_needs_no_lock(
    mounted: Mounted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a filled cache in a bucket that is mounted read-only."""

    def open_file(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    mounted("fuse.mount-s3 ro")
    (tmp_path / "locks").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", open_file)
        with reader_lock(tmp_path):
            pass
