"""Read files of unknown origin: only regular files, because a FIFO or a device can block forever, and within a limit."""

from __future__ import annotations

import stat
from pathlib import Path

from benchmark_core.errors import ElrError

MEBIBYTE = 1 << 20
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}


def read_regular(path: Path, limit: int | None = None) -> bytes:
    """Return the content of `path`. ElrError naming it if it is not a regular file, or has more than `limit` bytes."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            kind = KINDS.get(stat.S_IFMT(found.st_mode), "a device")
            raise ElrError(f"{path} is {kind}, not a regular file; pass a regular file or move it away")
        if limit is not None and found.st_size > limit:
            size = f"{found.st_size / MEBIBYTE:.3g} MiB, more than the limit of {limit / MEBIBYTE:.3g} MiB"
            raise ElrError(f"{path} has {size}; pass a smaller file")
        return path.read_bytes()
    except OSError as error:
        raise ElrError(f"{path} cannot be read: {error.strerror or error}") from error
