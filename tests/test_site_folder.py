"""The site's folder: whose it may be, and that it is never half a site."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from benchmark_core.errors import ElrError, RunFailed
from elrbench_plugins.commands.site import folder as folder_
from elrbench_plugins.commands.site.folder import write_site

OLD = {PurePosixPath("index.html"): b"old", PurePosixPath("tracks/gone.html"): b"gone"}
NEW = {PurePosixPath("index.html"): b"new", PurePosixPath("assets/a.js"): b"a"}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=[True, False], ids=["exchange", "two renames"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without a system that swaps two folders at once."""
    if not request.param:
        monkeypatch.setattr(folder_, "_exchange", lambda one, other: False)


def test_an_earlier_site_is_written_anew(tmp_path: Path, either_way: None) -> None:
    site = tmp_path / "site"
    write_site(site, OLD)
    write_site(site, NEW)
    assert contents(site) == {
        "index.html": b"new",
        "assets/a.js": b"a",
        "elrbench-site.json": b'[\n"assets/a.js",\n"index.html"\n]\n',
    }
    assert list(tmp_path.iterdir()) == [site] and site.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("made", ["new", "empty", "deep"])
def test_a_new_or_empty_folder_will_do(tmp_path: Path, made: str) -> None:
    site = tmp_path / "a/b/site" if made == "deep" else tmp_path / "site"
    if made == "empty":
        site.mkdir()
    write_site(site, NEW)
    assert contents(site)["index.html"] == b"new"


def test_other_peoples_files_are_refused(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "thesis.tex").write_text("years")
    with pytest.raises(ElrError, match="has files but no site; pass a new"):
        write_site(site, NEW)
    assert contents(site) == {"thesis.tex": b"years"}
    with pytest.raises(ElrError, match="is a file"):
        write_site(site / "thesis.tex", NEW)


def test_the_folder_that_one_is_in_is_not_pulled_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_site(tmp_path / "site", OLD)
    monkeypatch.chdir(tmp_path / "site/tracks")
    for site in (tmp_path / "site", Path(".")):
        with pytest.raises(ElrError, match="contains the current folder"):
            write_site(site, NEW)
    assert contents(tmp_path / "site")["index.html"] == b"old"


def test_a_file_put_into_a_site_is_not_lost(tmp_path: Path) -> None:
    site = tmp_path / "site"
    write_site(site, OLD)
    (site / "tracks/mine.txt").write_text("kept")
    with pytest.raises(ElrError, match=r"tracks/mine.txt.* move it away"):
        write_site(site, NEW)
    assert contents(site)["tracks/mine.txt"] == b"kept" and contents(site)["index.html"] == b"old"


@pytest.mark.parametrize("mark", ["{", "[[]]", "5"])
def test_a_spoilt_mark_is_named(tmp_path: Path, mark: str) -> None:
    write_site(tmp_path / "site", OLD)
    (tmp_path / "site/elrbench-site.json").write_text(mark)
    with pytest.raises(ElrError, match="elrbench-site.json was edited"):
        write_site(tmp_path / "site", NEW)


def test_what_cannot_be_written_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFailed, match="cannot be written") as error:
        write_site(tmp_path / "file/site", NEW)
    assert "\n" not in str(error.value)


def test_a_full_disk_leaves_the_old_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    write_site(site, OLD)
    before = contents(site)

    def full(path: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RunFailed, match="No space left"):
        write_site(site, NEW)
    assert contents(site) == before and list(tmp_path.iterdir()) == [site]


@pytest.mark.parametrize("moment", ["before the last file", "before the swap", "after the swap"])
def test_a_killed_write_leaves_a_whole_site(tmp_path: Path, moment: str) -> None:
    site = tmp_path / "site"
    write_site(site, OLD)
    before = contents(site)
    code = f"""
import os, signal, sys
from pathlib import Path, PurePosixPath
from elrbench_plugins.commands.site import folder
moment = {moment!r}
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if moment == "before the last file":
    write = Path.write_bytes
    Path.write_bytes = lambda path, content: die() if path.name == "a.js" else write(path, content)
elif moment == "before the swap":
    folder._swap = die
else:
    folder.shutil.rmtree = die
folder.write_site(Path({str(site)!r}), {{PurePosixPath("index.html"): b"new", PurePosixPath("assets/a.js"): b"a"}})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if moment == "after the swap":
        assert contents(site)["index.html"] == b"new"
    else:
        assert contents(site) == before
    left = [path for path in tmp_path.iterdir() if path != site]
    assert len(left) == 1
    os.utime(left[0], (0, 0))
    write_site(site, NEW)
    assert [*tmp_path.iterdir()] == [site] and contents(site)["index.html"] == b"new"
