"""Read files of unknown origin: only regular files, because a FIFO or a device can block forever."""

from __future__ import annotations

import stat
from pathlib import Path

from benchmark_core.errors import ElrError

_KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def read_regular(path: Path, limit: float = float("inf")) -> bytes:
    """Return the content of `path`. ElrError naming it if it is not a regular file, or has more than `limit` bytes."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "a device")
            raise ElrError(f"{path} is {kind}, not a file; pass the path of a file")
        if found.st_size > limit:
            raise ElrError(f"{path} has {found.st_size:,} bytes; the limit is {limit:,}; pass a smaller file")
        return path.read_bytes()
    except OSError as error:
        raise ElrError(f"{path} cannot be read: {error.strerror or error}") from error
