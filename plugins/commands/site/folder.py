"""Write the site's folder atomically, without touching files that are not part of a site."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from benchmark_core.atomic import PART, unwritable
from benchmark_core.errors import ElrError

MARK = "elrbench-site.json"  # lists every other file of the site
_STALE_S = 3600.0  # an older temporary folder was left by a killed process
_AT_FDCWD, _EXCHANGE = -100, 2  # arguments of Linux's renameat2


def write_site(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    """Write `files` and a list of them to `folder` in one step. If it fails, the old site stays.

    Raises:
        ElrError: if the folder is not new, empty or an unchanged earlier site.
        RunFailed: if nothing can be written.
    """
    folder = folder.resolve()  # replace the target of a symbolic link, not the link
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_stale(folder)
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-", suffix=PART))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        listed = json.dumps(sorted(map(str, files)), indent=0, ensure_ascii=False)
        for path, content in {PurePosixPath(MARK): f"{listed}\n".encode(), **files}.items():
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            (part / path).write_bytes(content)
        part.chmod(0o755)  # mkdtemp creates 0700, which a web server cannot read
        _swap(part, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)  # the incomplete new site, or the old one


def check_folder(folder: Path) -> None:
    """Raise ElrError if a site must not be written to `folder`."""
    if folder.exists() and not folder.is_dir():
        raise ElrError(f"--out {folder} is a file; pass a new or empty folder, or an earlier site")
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ElrError(f"--out {folder} contains the current folder and would be replaced; pass another --out")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise ElrError(f"--out {folder} has files but no site; pass a new or empty folder, or an earlier site")
    on_disk = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    try:
        written = set(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ElrError(f"{folder / MARK} was edited; delete the site or pass another --out") from error
    if extra := sorted(on_disk - written - {MARK}):
        raise ElrError(
            f"--out {folder} has {extra[0]}, which is not part of the site and would be deleted; move it away"
        )


def _swap(part: Path, folder: Path) -> None:
    """Move `part` to `folder`. An old site in `folder` is moved to `part`."""
    if not folder.is_dir() or not any(folder.iterdir()):
        part.replace(folder)  # also replaces an empty folder
    elif not _exchange(part, folder):
        old = part.with_name(f"{part.name}.old")
        folder.replace(old)
        part.replace(folder)
        old.replace(part)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders atomically, if the system can. Return whether it did."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and not rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)


def _remove_stale(folder: Path) -> None:
    """Remove temporary folders that killed processes left next to `folder`."""
    for part in folder.parent.glob(f".{folder.name}-*{PART}"):
        if (part / MARK).is_file() and time.time() - part.stat().st_mtime > _STALE_S:
            shutil.rmtree(part, ignore_errors=True)
