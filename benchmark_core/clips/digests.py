"""Cache of file digests on disk, so that a second run does not read a whole dataset again."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import sqlite3
import stat
import struct
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

SETTLED = 2_000_000_000  # ns: a file that changed more recently may change again without a new time stamp
PENDING = 512  # digests per write to the file
_STATE = struct.Struct("<qqq")  # size in bytes, mtime and ctime in ns
_TABLE = "CREATE TABLE IF NOT EXISTS contents (path BLOB PRIMARY KEY, known BLOB NOT NULL) WITHOUT ROWID"


class Digests:
    """sha256 of files, cached by path, size and times of change. Safe in threads and processes.

    A digest is cached only if no change can go unnoticed: the file had the same state before and after it was read, and
    its last change was at least SETTLED earlier. `path` is a SQLite file. If it is absent, damaged or not writable, the
    files are read instead. The digest is of a file's bytes and of what `more` returns, if it is given.
    """

    def __init__(self, path: Path, more: Callable[[Path], bytes] | None = None) -> None:
        self.path = path
        self.more = more
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._given_up = False
        self._pending: dict[bytes, bytes] = {}  # path -> state and digest, not written yet
        self._unsettled: dict[bytes, bytes] = {}  # path -> state and digest, only for this process

    def of(self, path: Path) -> str:
        """Return 64 hex digits. Raises OSError if the file is absent, cannot be read, or is not a regular file."""
        key = os.fsencode(os.path.abspath(path))
        state = _state(os.stat(path))
        known = self._find(key)
        if known is not None and known[: _STATE.size] == state:
            return known[_STATE.size :].hex()
        began = time.time_ns()
        digest = hashlib.sha256()
        with open(path, "rb", buffering=0) as file:
            before = _state(os.fstat(file.fileno()))
            while block := file.read(1 << 20):
                digest.update(block)
            if self.more is not None:
                digest.update(self.more(path))
            same = before == _state(os.fstat(file.fileno())) == state
        if same:
            self._keep(key, state + digest.digest(), settled=max(_STATE.unpack(state)[1:]) < began - SETTLED)
        return digest.hexdigest()

    def save(self) -> None:
        """Write the digests that were computed since the last call."""
        with self._lock:
            if self._pending and self._query(self._write, create=True) is not None:
                self._pending.clear()

    def _find(self, key: bytes) -> bytes | None:
        with self._lock:
            kept = self._unsettled.get(key) or self._pending.get(key)
            return kept or self._query(lambda connection: _select(connection, key))

    def _keep(self, key: bytes, known: bytes, *, settled: bool) -> None:
        with self._lock:
            self._unsettled.pop(key, None)
            (self._pending if settled else self._unsettled)[key] = known
            full = len(self._pending) >= PENDING
        if full:
            self.save()

    def _write(self, connection: sqlite3.Connection) -> bool:
        with connection:
            connection.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?)", self._pending.items())
        return True

    def _query(self, question: Callable[[sqlite3.Connection], Answer], *, create: bool = False) -> Answer | None:
        """Return the answer of a query, or None if the file has none. A damaged file is deleted, once."""
        for _ in range(2):
            if self._given_up:
                return None
            try:
                connection = self._connect(create)
                return None if connection is None else question(connection)
            except sqlite3.OperationalError:  # not writable or busy for too long: continue without it
                self._given_up = True
            except (sqlite3.DatabaseError, OSError):
                self._delete()
        self._given_up = True
        return None

    def _connect(self, create: bool) -> sqlite3.Connection | None:
        if self._connection is None:
            if not create and not self.path.exists():
                return None
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=5, check_same_thread=False)
            self._connection = connection
            weakref.finalize(self, connection.close)
            connection.execute("PRAGMA synchronous = OFF")  # a power failure may damage the file: see `_query`
            connection.execute("DROP TABLE IF EXISTS digests")  # of versions that did not turn frames for display
            connection.execute(_TABLE)
        return self._connection

    def _delete(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        for name in (self.path.name, f"{self.path.name}-journal"):
            with contextlib.suppress(OSError):
                self.path.with_name(name).unlink(missing_ok=True)


def _select(connection: sqlite3.Connection, key: bytes) -> bytes | None:
    row = connection.execute("SELECT known FROM contents WHERE path = ?", (key,)).fetchone()
    known = None if row is None else row[0]
    return known if isinstance(known, bytes) and len(known) == _STATE.size + 32 else None


def _state(found: os.stat_result) -> bytes:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file")
    return _STATE.pack(found.st_size, found.st_mtime_ns, found.st_ctime_ns)
