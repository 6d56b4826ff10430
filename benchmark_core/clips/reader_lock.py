"""Who reads clips of a store: a locked file for each process's work, which the system frees when the process ends.

| in locks/         | what                                                                        |
|-------------------|-----------------------------------------------------------------------------|
| reading-ANY.lock  | held while a run, a fill or a prediction lasts; one that is free is left over |
| clearing.lock     | held while clips are removed, and for a moment by whoever begins to read      |
"""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar, cast
from uuid import uuid4

from filelock import FileLock, Timeout

from benchmark_core.atomic import unwritable
from benchmark_core.errors import RunFailed

P = ParamSpec("P")
T = TypeVar("T")
ALL = 0o666  # users of one cache lock each other's files
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)


def reads_clips(work: Callable[P, T]) -> Callable[P, T]:
    """`work` with its argument `cache`, a keyword, in use as long as it lasts."""

    @functools.wraps(work)
    def marked(*args: P.args, **kwargs: P.kwargs) -> T:
        with in_use(cast(Path, kwargs["cache"])):
            return work(*args, **kwargs)

    return marked


@contextmanager
def in_use(root: Path) -> Iterator[None]:
    """Nobody clears clips of the store under `root` within the block; waits for one who does.

    A store that this user cannot write in is read unmarked. RunFailed where the disk is full or knows no file locks.
    """
    path = root / "locks" / f"reading-{uuid4().hex}.lock"
    marker = FileLock(path, mode=ALL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _gate(root):
            marker.acquire()
    except NotImplementedError as error:
        raise RunFailed(
            f"the file system of {root} has no file locks, which the clip store needs; choose another cache folder"
        ) from error
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise unwritable(path, error) from error
    try:
        yield
    finally:
        if marker.is_locked:
            marker.release()
            path.unlink(missing_ok=True)


@contextmanager
def unused(root: Path) -> Iterator[bool]:
    """Whether no process reads clips of the store under `root`; none begins to within the block."""
    (root / "locks").mkdir(exist_ok=True)
    with _gate(root):
        yield all([_left_over(path) for path in (root / "locks").glob("reading-*.lock")])


def _gate(root: Path) -> FileLock:
    return FileLock(root / "locks" / "clearing.lock", mode=ALL)


def _left_over(path: Path) -> bool:
    """Removes it where its process is gone."""
    try:
        with FileLock(path, timeout=0, mode=ALL):
            path.unlink(missing_ok=True)
    except Timeout:
        return False
    return True
