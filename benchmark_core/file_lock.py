"""Locks between processes. The system releases them when their process ends; a waiting process reports the holder.

A locked file holds a note of the process that took it last: its id, host and start. The note of a released lock stays.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import socket
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from filelock import AcquireReturnProxy, FileLock

from benchmark_core.errors import RunFailed
from benchmark_core.mounts import local_locks
from benchmark_core.progress import duration

SHARED = 0o666  # users who share a cache lock each other's files
UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
GRACE = 1.0  # s of waiting before the first line
EVERY = 60.0  # s between two lines
STARTED = time.time()
ADVICE = "pass --cache DIR with a folder on a local disk; 'elrbench cache push' and 'pull' share it"


class Wait:
    """A wait for a lock: `warn` gets a line after `GRACE` seconds, and then one every `EVERY` seconds."""

    def __init__(self, what: str, warn: Callable[[str], None]) -> None:
        self.what = what
        self.warn = warn
        self._began = time.time()
        self._due = time.monotonic() + GRACE

    def remind(self, path: Path) -> bool:
        """Warn if it is time to. Returns False, so that filelock continues to wait for the lock `path`."""
        if time.monotonic() >= self._due:
            self._due = time.monotonic() + EVERY
            since = f"since {_clock(self._began)} ({duration(time.time() - self._began)})"
            self.warn(f"waiting for {self.what} {since}: {holder(path)}")
        return False


def acquire(
    path: Path, wait: Wait | None = None, *, timeout: float = -1, poll: float = 0.05
) -> AcquireReturnProxy[FileLock]:
    """Take the lock `path`, never a soft lock; the result is a context that releases it.

    timeout: seconds to wait; a negative number is no limit. poll: seconds between two attempts.
    Raises Timeout, OSError if the file cannot be written, and RunFailed if the file system does not support file locks
    or keeps them to this computer.
    """
    lock = FileLock(path, mode=SHARED, fallback_to_soft=False, on_acquired=_sign)
    try:
        taken = lock.acquire(timeout, poll, cancel_check=None if wait is None else partial(wait.remind, path))
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        raise RunFailed(
            f"the file system of {path.parent} does not support file locks ({error.strerror}), which a cache needs; "
            f"{ADVICE}"
        ) from error
    if reason := local_locks(path.parent):
        lock.release()
        raise RunFailed(
            f"file locks in {path.parent} exclude processes of this computer only ({reason}), and other computers may "
            f"use a cache, too; {ADVICE}"
        )
    return taken


def is_locked(path: Path) -> bool:
    """Return whether a process holds the lock `path`. Takes the lock for a moment, shared, if no process does."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False


def holder(path: Path) -> str:
    """Return what is known of the process that holds the lock `path`: `process 4711 on box, …, holds it`."""
    try:
        note = json.loads(path.read_bytes())
        pid, host, ticks = int(note["pid"]), re.sub(r"[^\w.-]", "?", note["host"]), note["ticks"]
        named = f"process {pid} on host {host}, started {_clock(float(note['started']), date=True)},"
    except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return "another process holds it"
    if host != socket.gethostname():
        return f"{named} holds it, which is another host than this one"
    state, born = process_status(pid)
    if born != ticks:
        return f"another process holds it; {named} held it before"
    return f"{named} holds it" + (f" and is stopped; 'kill -CONT {pid}' resumes it" if state in ("T", "t") else "")


def _sign(handle: int) -> None:
    """Write this process into the lock file it has taken."""
    pid = os.getpid()
    note = {"pid": pid, "host": socket.gethostname(), "started": STARTED, "ticks": process_status(pid)[1]}
    content = json.dumps(note).encode()
    with contextlib.suppress(OSError):  # a full disk: the lock is held without a note
        os.pwrite(handle, content, 0)
        os.ftruncate(handle, len(content))


def process_status(pid: int) -> tuple[str, int | None]:
    """Return a process's state (R, S, T, …) and its start in ticks since boot, as ids are used again.

    ("", None) if there is no such process, or if the system does not say.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:  # it is gone, or the system has no /proc
        return "", None
    return fields[0], int(fields[19])


def _clock(seconds: float, *, date: bool = False) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S", time.localtime(seconds))
