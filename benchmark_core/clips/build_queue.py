"""Clips into the store: each made by one process alone, whatever becomes of the others.

A clip is made under a lock, one of 256 by its content's first digits. What another process holds is put off, and
looked at again when the rest is done; the system lifts a killed process's locks.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar

from filelock import FileLock, Timeout

from benchmark_core.clips import clipfile
from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.decode import decode
from benchmark_core.clips.formats import Keyed, StoredFormat
from benchmark_core.errors import RunFailed
from benchmark_core.specs.index import Clip

CHUNK = 24  # frames decoded at a time: they stay in the processor's cache
POLL = 0.01  # s between two looks at a lock that is waited for
PATIENCE = 0.5  # s that a clip is waited for which another process makes, before the next is looked at

BuildResult: TypeAlias = Literal["built", "reused"] | BadClip
R = TypeVar("R", bound=Keyed)


@dataclass(frozen=True, slots=True)
class BuildTask:
    """A content to make, of the clips that share it. `clips` may grow until the job is done."""

    content: str
    clips: list[Clip]


class BuildQueue(Generic[R]):
    """One pass that makes `recipes` of clips under a store's root.

    build: makes the recipes given of one content, whole or not at all; it is called under the content's lock.
    workers: threads; more than one are of use where `build` leaves the interpreter's lock for long.
    """

    def __init__(
        self, root: Path, formats: Sequence[R], build: Callable[[BuildTask, list[R]], BuildResult], *, workers: int
    ) -> None:
        self.root = root
        self.formats = tuple(formats)
        self.build = build
        self.workers = workers

    def missing(self, content: str) -> list[R]:
        """Recipes whose file of a content is absent or was cut off."""
        return [one for one in self.formats if clipfile.read_header(clip_path(self.root, content, one)) is None]

    def outcomes(self, contents: Iterator[tuple[Clip, str]]) -> Iterator[tuple[list[Clip], BuildResult]]:
        """Clips as they are done, those of one content together. Of `contents` only a few are held at a time."""
        tasks = self._jobs(contents)
        yield from self._one_by_one(tasks) if self.workers <= 1 else self._in_threads(tasks)

    def _jobs(self, contents: Iterator[tuple[Clip, str]]) -> Iterator[BuildTask]:
        return (BuildTask(content, [clip]) for clip, content in contents)

    def _one_by_one(self, tasks: Iterator[BuildTask]) -> Iterator[tuple[list[Clip], BuildResult]]:
        later: deque[BuildTask] = deque()
        for task in tasks:
            outcome = self._make(task, 0) if self.missing(task.content) else "reused"
            if outcome is None:
                later.append(task)
            else:
                yield task.clips, outcome
        while later:
            task = later.popleft()
            outcome = self._make(task, PATIENCE)
            if outcome is None:
                later.append(task)
            else:
                yield task.clips, outcome

    def _in_threads(self, tasks: Iterator[BuildTask]) -> Iterator[tuple[list[Clip], BuildResult]]:
        later: deque[BuildTask] = deque()
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
                        yield from self._done(running, later)
                while running or later:
                    while later and len(running) < self.workers:
                        task = later.popleft()
                        running[pool.submit(self._make, task, PATIENCE)] = task
                    yield from self._done(running, later)
            finally:
                for future in running:
                    future.cancel()

    def _done(
        self, running: dict[Future[BuildResult | None], BuildTask], later: deque[BuildTask]
    ) -> Iterator[tuple[list[Clip], BuildResult]]:
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            task = running.pop(future)
            outcome = future.result()
            if outcome is None:
                later.append(task)
            else:
                yield task.clips, outcome

    def _make(self, task: BuildTask, patience: float) -> BuildResult | None:
        """None where another holds the lock for longer than `patience` seconds."""
        try:
            with locked(self.root, task.content[:2], patience):
                missing = self.missing(task.content)
                return self.build(task, missing) if missing else "reused"
        except Timeout:
            return None
        except OSError as error:
            raise unwritable(self.root, error) from error


def decode_into(root: Path, task: BuildTask, formats: Sequence[StoredFormat], seconds: float) -> BuildResult:
    """One decode feeds all `recipes`; nothing is left of those that were not completed.

    seconds: a clip that takes longer is bad.
    """
    clip = task.clips[0]
    seed = int(task.content[:16], 16)
    writers: list[clipfile.Writer] = []
    try:
        for fmt in formats:
            path = clip_path(root, task.content, fmt)
            writers.append(clipfile.Writer(path, compressed=fmt.kind != "low"))
        for frames in decode(clip.source, CHUNK, seconds=seconds, reuse=True):
            for fmt, writer in zip(formats, writers, strict=True):
                made = fmt.make(frames, seed)
                try:
                    writer.add(made)
                except ValueError as error:
                    raise BadClip(clip.id, str(error)) from error
        for writer in writers:
            writer.close()
    except BadClip as error:
        return error
    finally:
        for writer in writers:
            writer.abort()
    return "built"


def clip_path(root: Path, content: str, fmt: Keyed) -> Path:
    """Where a content's file of a recipe lies."""
    return root / "clips" / fmt.key / content[:2] / f"{content}.clip"


@contextmanager
def locked(root: Path, name: str, patience: float = -1) -> Iterator[None]:
    """One of the store's locks. Timeout after `patience` seconds, never where it is negative.

    The file stays; the lock on it goes with its process.
    """
    path = root / "locks" / f"{name}.lock"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path).acquire(timeout=patience, poll_interval=POLL):
            yield
    except NotImplementedError as error:
        raise RunFailed(
            f"the file system of {root} has no file locks, which the clip store needs; choose another cache folder"
        ) from error


def sweep(root: Path, formats: Sequence[Keyed]) -> None:
    """Remove what killed processes left half written. What is being written is under its lock, and stays."""
    for fmt in formats:
        for left in (root / "clips" / fmt.key).glob(f"*/*{clipfile.TEMPORARY}"):
            try:
                with locked(root, left.parent.name, 0):
                    left.unlink(missing_ok=True)
            except Timeout:
                continue


def unwritable(root: Path, error: OSError) -> RunFailed:
    """What the user is told where a file of the store cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunFailed(
            f"no space is left for the clip store under {root}; free some or name another cache folder "
            "(what is complete is kept)"
        )
    return RunFailed(f"the clip store under {root} cannot be written: {error.strerror or error}")
