"""Locks of a clip store. The system releases them when their process ends; the empty files may stay.

| file in locks/    | held                                                                               |
|-------------------|------------------------------------------------------------------------------------|
| CC.lock           | while a process makes a clip whose content key begins with these two digits        |
| reading-ANY.lock  | by each process that reads clips: during a run, a fill or a prediction             |
| clearing.lock     | while clips are removed, and for a moment by each process that begins to read      |
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
ALL = 0o666  # users who share a cache lock each other's files
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
POLL = 0.01  # s between two attempts to take a lock


@contextmanager
def locked(root: Path, name: str, patience: float = -1) -> Iterator[None]:
    """Hold `locks/NAME.lock`. Raises Timeout after `patience` seconds; a negative value waits for ever."""
    path = root / "locks" / f"{name}.lock"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path).acquire(timeout=patience, poll_interval=POLL):
            yield
    except NotImplementedError as error:
        raise _no_locks(root) from error


def holds_reader_lock(work: Callable[P, T]) -> Callable[P, T]:
    """Decorate `work` so that it holds the reader lock of the store in its keyword argument `cache`."""

    @functools.wraps(work)
    def holding(*args: P.args, **kwargs: P.kwargs) -> T:
        with reader_lock(cast(Path, kwargs["cache"])):
            return work(*args, **kwargs)

    return holding


@contextmanager
def reader_lock(root: Path) -> Iterator[None]:
    """Prevent other processes from clearing clips of the store under `root`. Waits while a process clears clips.

    If this user cannot write in the store, it is read without a lock. Raises RunFailed if the disk is full or the file
    system does not support file locks.
    """
    path = root / "locks" / f"reading-{uuid4().hex}.lock"
    lock = FileLock(path, mode=ALL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _clearing_lock(root):
            lock.acquire()
    except NotImplementedError as error:
        raise _no_locks(root) from error
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise unwritable(path, error) from error
    try:
        yield
    finally:
        if lock.is_locked:
            lock.release()
            path.unlink(missing_ok=True)


@contextmanager
def clearing_lock(root: Path) -> Iterator[bool]:
    """Yield whether no process reads clips of the store under `root`; no process can begin to within the block."""
    (root / "locks").mkdir(exist_ok=True)
    with _clearing_lock(root):
        yield all([_abandoned(path) for path in (root / "locks").glob("reading-*.lock")])


def _clearing_lock(root: Path) -> FileLock:
    return FileLock(root / "locks" / "clearing.lock", mode=ALL)


def _abandoned(path: Path) -> bool:
    """Whether the process that made the reader lock is gone; if so, remove its file."""
    try:
        with FileLock(path, timeout=0, mode=ALL):
            path.unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def _no_locks(root: Path) -> RunFailed:
    return RunFailed(
        f"the file system of {root} does not support file locks, which the clip store needs; pass another --cache DIR"
    )
