"""Locks of a clip store. The system releases them when their process ends; their files may stay.

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

from benchmark_core.atomic import unwritable
from benchmark_core.file_lock import Wait, acquire
from benchmark_core.progress import SILENT, Reporter

P = ParamSpec("P")
T = TypeVar("T")
NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
CLEARING = "locks/clearing.lock"
POLL = 0.01  # s between two attempts to take a lock


@contextmanager
def locked(root: Path, name: str, patience: float = -1, wait: Wait | None = None) -> Iterator[None]:
    """Hold `locks/NAME.lock`. Raises Timeout after `patience` seconds; a negative value waits for ever."""
    path = root / "locks" / f"{name}.lock"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    with acquire(path, wait, timeout=patience, poll=POLL):
        yield


def holds_reader_lock(work: Callable[P, T]) -> Callable[P, T]:
    """Decorate `work` so that it holds the reader lock of its argument `cache`; its `reporter` is warned of a wait."""

    @functools.wraps(work)
    def holding(*args: P.args, **kwargs: P.kwargs) -> T:
        with reader_lock(cast(Path, kwargs["cache"]), cast(Reporter, kwargs.get("reporter", SILENT))):
            return work(*args, **kwargs)

    return holding


@contextmanager
def reader_lock(root: Path, reporter: Reporter = SILENT) -> Iterator[None]:
    """Prevent other processes from clearing clips of the store under `root`. Waits while a process clears clips.

    If this user cannot write in the store, it is read without a lock. Raises RunFailed if the disk is full or the file
    system does not support file locks.
    """
    path = root / "locks" / f"reading-{uuid4().hex}.lock"
    taken = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with acquire(root / CLEARING, Wait(f"{root}, from which clips are being removed", reporter.warn)):
            taken = acquire(path)
    except OSError as error:
        if error.errno not in NOT_OURS:
            raise unwritable(path, error) from error
    try:
        yield
    finally:
        if taken is not None:
            taken.lock.release()
            path.unlink(missing_ok=True)
