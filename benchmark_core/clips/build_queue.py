"""Build queue of the clip store: make each missing clip in exactly one process.

A clip is made under one of 256 locks, chosen by the first two digits of its content key. A clip whose lock another
process holds is deferred until the other clips are done. The system releases the locks of a killed process.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
from filelock import Timeout

from benchmark_core.atomic import READ_ONLY, read_only
from benchmark_core.clips import clipfile
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.conversion import start
from benchmark_core.clips.decode import decode
from benchmark_core.clips.formats import KeyedFormat, StoredFormat
from benchmark_core.clips.locks import locked
from benchmark_core.errors import RunFailed
from benchmark_core.file_lock import Wait
from benchmark_core.specs import Clip

CHUNK = 24  # frames decoded at a time, so that they stay in the processor's cache
PATIENCE = 0.5  # s to wait for a clip that another process makes, before trying the next deferred clip

BuildResult: TypeAlias = Literal["built", "reused"] | BadClip
R = TypeVar("R", bound=KeyedFormat)


@dataclass(frozen=True, slots=True)
class BuildTask:
    """One content to build, and the clips that have it. `clips` may grow until the task is done."""

    content: str
    clips: list[Clip]


Build: TypeAlias = Callable[[BuildTask, list[R]], BuildResult]
Warn: TypeAlias = Callable[[str], None]


class BuildQueue(Generic[R]):
    """One pass that makes `formats` of clips under a store's root.

    build: makes the given formats of one content completely or not at all; it is called under the content's lock.
    workers: number of threads; more than one help only if `build` releases the interpreter's lock for long.
    warn: takes a line about each damaged clip, and about a wait. Without it, damaged clips are left to another process.
    """

    def __init__(
        self, root: Path, formats: Sequence[R], build: Build[R], *, workers: int, warn: Warn | None = None
    ) -> None:
        self.root = root
        self.formats = tuple(formats)
        self.build = build
        self.workers = workers
        self.warn = warn
        self._wait: Wait | None = None

    def missing(self, content: str) -> list[R]:
        """Return the formats whose file of a content is absent or damaged."""
        paths = {clip_path(self.root, content, one): one for one in self.formats}
        if self.warn is None:
            return [one for path, one in paths.items() if not path.exists()]
        return [one for path, one in paths.items() if clipfile.checked_header(path) is None]

    def outcomes(self, contents: Iterator[tuple[Clip, str]]) -> Iterator[tuple[list[Clip], BuildResult]]:
        """Yield clips when they are done, those of one content together. Reads only a few of `contents` ahead."""
        tasks = (BuildTask(content, [clip]) for clip, content in contents)
        yield from self._one_by_one(tasks) if self.workers <= 1 else self._in_threads(tasks)

    def _one_by_one(self, tasks: Iterator[BuildTask]) -> Iterator[tuple[list[Clip], BuildResult]]:
        deferred: deque[BuildTask] = deque()
        for task in tasks:
            outcome = self._make(task, 0) if self.missing(task.content) else "reused"
            if outcome is None:
                deferred.append(task)
            else:
                yield task.clips, outcome
        while deferred:
            task = deferred.popleft()
            outcome = self._make(task, PATIENCE)
            if outcome is None:
                deferred.append(task)
            else:
                yield task.clips, outcome

    def _in_threads(self, tasks: Iterator[BuildTask]) -> Iterator[tuple[list[Clip], BuildResult]]:
        deferred: deque[BuildTask] = deque()
        running: dict[Future[BuildResult | None], BuildTask] = {}
        with ThreadPoolExecutor(self.workers) as pool:
            try:
                for task in tasks:
                    twin = next((one for one in running.values() if one.content == task.content), None)
                    if twin is not None:
                        twin.clips.extend(task.clips)
                        continue
                    if not self.missing(task.content):
                        yield task.clips, "reused"
                        continue
                    running[pool.submit(self._make, task, 0)] = task
                    if len(running) >= 2 * self.workers:
                        yield from self._done(running, deferred)
                while running or deferred:
                    while deferred and len(running) < self.workers:
                        task = deferred.popleft()
                        running[pool.submit(self._make, task, PATIENCE)] = task
                    yield from self._done(running, deferred)
            finally:
                for future in running:
                    future.cancel()

    def _done(
        self, running: dict[Future[BuildResult | None], BuildTask], deferred: deque[BuildTask]
    ) -> Iterator[tuple[list[Clip], BuildResult]]:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            outcome = future.result()
            if outcome is None:
                deferred.append(task)
            else:
                yield task.clips, outcome

    def _make(self, task: BuildTask, patience: float) -> BuildResult | None:
        """Build a task. None if another process holds the lock for longer than `patience` seconds."""
        clip = task.clips[0]
        if patience and self.warn is not None and self._wait is None:
            self._wait = Wait(f"clip '{clip.id}'", self.warn)
        try:
            with locked(self.root, task.content[:2], patience, self._wait):
                self._wait = None
                missing = self.missing(task.content)
                for one in missing:
                    if self.warn is not None and (path := clip_path(self.root, task.content, one)).exists():
                        self.warn(f"clip '{clip.id}': {path} is damaged; the clip is stored again from its source")
                return self.build(task, missing) if missing else "reused"
        except Timeout:
            return None
        except OSError as error:
            if error.errno in READ_ONLY and (bad := _bad_source(clip)) is not None:
                return bad
            raise store_unwritable(self.root, error, f"clip '{clip.id}'") from error


def decode_into(root: Path, task: BuildTask, formats: Sequence[StoredFormat], seconds: float) -> BuildResult:
    """Decode a clip once and store it in all `formats`. Files that could not be completed are removed.

    seconds: a clip that takes longer counts as bad.
    """
    clip = task.clips[0]
    seed = int(task.content[:16], 16)
    writers: list[clipfile.Writer] = []
    try:
        for stored_format in formats:
            path = clip_path(root, task.content, stored_format)
            writers.append(clipfile.Writer(path, compressed=stored_format.kind != "low"))
        converters = [start(stored_format, seed) for stored_format in formats]
        for frames in decode(clip.source, CHUNK, seconds=seconds, reuse=True):
            for converter, writer in zip(converters, writers, strict=True):
                _write(converter.add(frames), writer, clip)
        for converter, writer in zip(converters, writers, strict=True):
            _write(converter.finish(), writer, clip)
            writer.close()
    except BadClip as error:
        return error
    finally:
        for writer in writers:
            writer.abort()
    return "built"


def _write(made: npt.NDArray[np.uint8], writer: clipfile.Writer, clip: Clip) -> None:
    if not len(made):
        return
    try:
        writer.add(made)
    except ValueError as error:
        raise BadClip(clip.id, str(error)) from error


def _bad_source(clip: Clip) -> BadClip | None:
    """Return why a clip cannot be decoded and is therefore missing in a store; None if it can be decoded."""
    try:
        for _ in decode(clip.source, CHUNK):
            pass
    except BadClip as error:
        return error
    return None


def clip_path(root: Path, content: str, stored_format: KeyedFormat) -> Path:
    """Return the path of a content's file in one format."""
    return root / "clips" / stored_format.key / content[:2] / f"{content}.clip"


def sweep(root: Path, formats: Sequence[KeyedFormat]) -> None:
    """Remove temporary files of killed processes. A file that is being written is under its lock and stays."""
    for stored_format in formats:
        for left in (root / "clips" / stored_format.key).glob(f"*/*{clipfile.TEMPORARY}"):
            try:
                with locked(root, left.parent.name, 0):
                    left.unlink(missing_ok=True)
            except Timeout:
                continue


def store_unwritable(root: Path, error: OSError, what: str) -> RunFailed:
    """Return the error for `what` that cannot be written to the store."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunFailed(
            f"no space is left for the clip store under {root}; free some space or pass another --cache DIR "
            "(complete clips are kept)"
        )
    if error.errno in READ_ONLY:
        return read_only(what, root, error)
    return RunFailed(f"the clip store {root} cannot be written ({error.strerror or error}); pass another --cache DIR")
