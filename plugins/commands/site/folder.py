"""The site's folder: written whole or not at all, and nobody else's files with it."""

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
_STALE_S = 3600.0  # a part that is older was left by a process that was killed
_AT_FDCWD, _EXCHANGE = -100, 2  # of Linux's renameat2


def write_site(folder: Path, files: Mapping[PurePosixPath, bytes]) -> None:
    """Makes `folder` hold `files` and a list of them, in one step: before it, and where it fails, the old site stands.

    Raises ElrError where the folder is neither new, empty nor an earlier site as it was written; RunFailed where
    nothing can be written.
    """
    folder = folder.resolve()  # of a link, what it leads to is written anew
    check_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-", suffix=PART))
    except OSError as error:
        raise unwritable(folder, error) from error
    try:
        listed = json.dumps(sorted(map(str, files)), indent=0, ensure_ascii=False)
        for path, content in {PurePosixPath(MARK): f"{listed}\n".encode(), **files}.items():
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            (part / path).write_bytes(content)
        part.chmod(0o755)  # mkdtemp's 0700 would keep a web server out
        _swap(part, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)  # half a site, or the one before


def check_folder(folder: Path) -> None:
    """ElrError of one line where a site may not be written to `folder`."""
    if folder.exists() and not folder.is_dir():
        raise ElrError(f"--out {folder} is a file; name a folder that is new, empty or an earlier site")
    if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
        raise ElrError(f"--out {folder} holds the folder that you are in, and is remade; go elsewhere, or name another")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise ElrError(f"--out {folder} holds files and no site; name a folder that is new, empty or an earlier site")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    try:
        written = set(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ElrError(f"{folder / MARK} is not what was written; remove the site, or name another folder") from error
    if strange := sorted(there - written - {MARK}):
        raise ElrError(
            f"--out {folder} holds {strange[0]}, which is not of the site; move it away: the folder is remade"
        )


def _swap(part: Path, folder: Path) -> None:
    """`part` is `folder` then, and where something was there it is `part`."""
    if not folder.is_dir() or not any(folder.iterdir()):
        part.replace(folder)  # over an empty folder, too
    elif not _exchange(part, folder):
        old = part.with_name(f"{part.name}.old")
        folder.replace(old)
        part.replace(folder)
        old.replace(part)


def _exchange(one: Path, other: Path) -> bool:
    """Both names at once, where the system can: a process killed at any moment leaves either site whole."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
    return rename is not None and not rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE)


def _sweep(folder: Path) -> None:
    """Removes what killed processes left of sites beside `folder`."""
    for part in folder.parent.glob(f".{folder.name}-*{PART}"):
        if (part / MARK).is_file() and time.time() - part.stat().st_mtime > _STALE_S:
            shutil.rmtree(part, ignore_errors=True)
