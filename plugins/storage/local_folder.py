"""A folder of this machine, or of a network file system that is mounted on it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from benchmark_core.atomic import PART
from elrbench_plugins.storage.remote_folder import is_part, reaching


class LocalFolder:
    """See `RemoteFolder`. A file is written next to its name, then linked or moved to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shown = str(path)

    def files(self, most: int = 0) -> dict[str, int]:
        """Return the size of each regular file by name; the first `most`."""
        found = {}
        with reaching(self.shown):
            for folder, _, names in os.walk(self.path, onerror=_refuse):
                for name in names:
                    path = Path(folder, name)
                    relative = path.relative_to(self.path).as_posix()
                    if not is_part(relative) and path.is_file() and not path.is_symlink():
                        found[relative] = path.stat().st_size
                    if most and len(found) >= most:
                        return found
        return found

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for reading."""
        with reaching(f"{self.shown}/{name}"):
            file = (self.path / name).open("rb")
        with file:
            yield file

    def upload(self, name: str, source: Path, *, replace: bool = False) -> bool:
        """Copy `source` to `name`; False if it exists."""
        target = self.path / name
        with reaching(f"{self.shown}/{name}"):
            if not replace and target.exists():
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            handle, part = tempfile.mkstemp(dir=target.parent, prefix=".", suffix=PART)
            try:
                with os.fdopen(handle, "wb") as out, source.open("rb") as file:
                    shutil.copyfileobj(file, out)
                    out.flush()
                    os.fsync(out.fileno())
                os.chmod(part, 0o644)
                return _move(part, target, replace=replace)
            finally:
                Path(part).unlink(missing_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file, if it exists."""
        with reaching(f"{self.shown}/{name}"):
            (self.path / name).unlink(missing_ok=True)


def _move(part: str, target: Path, *, replace: bool) -> bool:
    """Move a complete file to its name. False if the name was taken in the meantime and must be kept."""
    if replace:
        os.replace(part, target)
        return True
    try:
        os.link(part, target)  # fails if the name exists, also on network file systems
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if target.exists():
            return False
        os.replace(part, target)
    return True


def _refuse(error: OSError) -> None:
    """Raise what `os.walk` would pass over, except that the folder does not exist yet."""
    if not isinstance(error, FileNotFoundError):
        raise error
