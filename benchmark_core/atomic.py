"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmark_core.errors import ElrError


def write_whole(path: Path, content: bytes) -> Path:
    """Writes `content` beside `path` and moves it into place, so that a reader never sees half of it.

    Raises ElrError where the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    except OSError as error:
        raise _unwritable(path, error) from error
    part = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.chmod(0o644)  # mkstemp's 0600 would follow the file into a repository or a shared folder
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        part.unlink(missing_ok=True)
    return path


def _unwritable(path: Path, error: OSError) -> ElrError:
    return ElrError(f"{path} cannot be written: {error.strerror or error}; choose a folder that can be, with room left")
