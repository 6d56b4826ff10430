"""Write files atomically, and check that folders are writable."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
import time
from pathlib import Path

from benchmark_core.errors import ElrError, RunFailed

READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
PART = ".part"  # suffix of the hidden temporary file


def write_whole(path: Path, content: bytes | memoryview, *, durable: bool = True) -> Path:
    """Write `content` to a temporary file and move it to `path`, so that a reader never sees a partial file.

    durable: the file also survives a power failure; without, only a kill, which is much faster for large files.
    Raises RunFailed if the folder cannot be written or the disk is full; the earlier file at `path` is then unchanged.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=PART)
    except OSError as error:
        raise unwritable(path, error) from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        part.chmod(0o644)  # mkstemp gives 0600; the file may be copied to a repository or a shared folder
        part.replace(path)
        if durable:
            _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _sync(folder: Path) -> None:
    """Make the renames in a folder survive a power failure, if its file system can."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def sweep_parts(folder: Path, *, older: float = 0.0) -> None:
    """Remove temporary files of killed processes in `folder` that have not changed for `older` seconds."""
    for part in folder.glob(f".*{PART}"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime >= older:
                part.unlink()


def unwritable(path: Path, error: OSError) -> RunFailed:
    """Return the error for a file that cannot be written."""
    return RunFailed(f"{path} cannot be written: {error.strerror or error}; use a writable folder with enough space")


def check_writable(folder: Path, flags: str = "--out or --cache") -> None:
    """Raise ElrError if `folder` cannot be made or written. Makes nothing. flags: options that name another folder."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if os.path.lexists(parent))
    advice = f"pass another folder with {flags}"
    if not nearest.is_dir():
        kind = "a file" if nearest.exists() else "a broken link"
        raise ElrError(f"the folder {folder} cannot be created: {nearest} is {kind}; {advice}")
    try:
        with tempfile.TemporaryFile(dir=nearest):  # access bits do not cover read-only file systems
            pass
    except OSError as error:
        raise ElrError(f"the folder {nearest} is not writable ({error.strerror or error}); {advice}") from error


def check_cache(cache: Path) -> bool:
    """Raise ElrError if `cache` cannot be written and holds no clips to read. Returns whether it can only be read."""
    try:
        check_writable(cache / "clips")
        check_writable(cache / "stages")
    except ElrError:
        if (cache / "clips").is_dir():
            return True
        check_writable(cache)  # the shorter error
        raise
    return False


def read_only(what: str, cache: Path, error: OSError) -> RunFailed:
    """Return the error for a clip or stage that is missing in a read-only cache."""
    return RunFailed(
        f"{what} is missing or damaged in {cache}, which is read-only ({error.strerror}); fill the cache as a user who "
        "can write to it, or pass another --cache DIR"
    )
