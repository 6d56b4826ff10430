"""Files that are whole or not there, and folders that could be written."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path

from benchmark_core.errors import ElrError, RunFailed

PART = ".part"  # ends the hidden name of a file that is being written


def write_whole(path: Path, content: bytes, *, durable: bool = True) -> Path:
    """Writes `content` beside `path` and moves it into place, so that a reader never sees half of it.

    durable: it also outlives a loss of power; without, only a kill, which is much quicker for large files.
    Raises RunFailed where the folder cannot be written or the disk is full; what stood at `path` before stands still.
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
        part.chmod(0o644)  # mkstemp's 0600 would follow the file into a repository or a shared folder
        part.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def sweep_parts(folder: Path, *, older: float = 0.0) -> None:
    """Removes what killed processes left half written in `folder`, where it was not changed for `older` seconds."""
    for part in folder.glob(f".*{PART}"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime >= older:
                part.unlink()


def unwritable(path: Path, error: OSError) -> RunFailed:
    """What the user is told where a file cannot be written."""
    return RunFailed(
        f"{path} cannot be written: {error.strerror or error}; choose a folder that can be, with room left"
    )


def check_writable(folder: Path, flags: str = "--out or --cache") -> None:
    """ElrError where `folder` could not be made or written in. Makes nothing. flags: what names another."""
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    advice = f"choose another with {flags}"
    if not nearest.is_dir():
        raise ElrError(f"the folder {folder} cannot be made: {nearest} is a file; {advice}")
    try:
        with tempfile.TemporaryFile(dir=nearest):  # what the access bits say is not the whole truth
            pass
    except OSError as error:
        raise ElrError(f"nothing can be written in {nearest} ({error.strerror or error}); {advice}") from error
