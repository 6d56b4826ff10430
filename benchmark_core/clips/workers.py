"""Worker processes that fill a store together with the main process; the locks of the clips share the work out.

Decoding frame by frame leaves too little time outside the interpreter's lock for threads, so workers are processes.
They only make clips that the main process would make later. If they cannot start, cannot import what a format names,
or die, the main process makes all clips itself. Killing workers or the main process is safe at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmark_core.clips.bad_clip import BadClip
from benchmark_core.clips.build_queue import BuildQueue, BuildResult, BuildTask, decode_into
from benchmark_core.clips.contents import Contents
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.specs import Clip

WORTHWHILE = 4.0  # s of work left for each process; starting a process takes about half a second


class Workers:
    """`size` worker processes. `consider` starts them if enough work is left; they are killed when the context ends.

    built: number of clips that they have made.
    """

    def __init__(
        self, root: Path, clips: Sequence[Clip], formats: Sequence[StoredFormat], *, size: int, seconds: float
    ) -> None:
        self.size = size
        self.built = 0
        plain = tuple(dataclasses.replace(one, options=dict(one.options)) for one in formats)
        self._payload: tuple[Any, ...] = (root, clips, plain, seconds)
        self._running: list[subprocess.Popen[bytes]] = []

    def consider(self, left: int, pace: float) -> None:
        """Start the workers, once, if `left` clips at `pace` seconds each are worth the start."""
        if self._running:
            self._count()
        elif left * pace > WORTHWHILE * (1 + self.size):
            self._start()

    def _start(self) -> None:
        size, self.size = self.size, 0
        for _ in range(size):
            with tempfile.TemporaryFile() as payload:
                try:
                    pickle.dump(self._payload, payload)
                except (pickle.PicklingError, AttributeError, TypeError):  # a plugin's code without an import name
                    return
                payload.seek(0)
                with contextlib.suppress(OSError):
                    self._running.append(_start(payload))

    def _count(self) -> None:
        """Count the clips made: each worker writes one byte per clip."""
        for process in self._running:
            assert process.stdout is not None
            self.built += len(process.stdout.read() or b"")

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running:
            process.kill()
        for process in self._running:
            process.wait()
        self._count()
        for process in self._running:
            assert process.stdout is not None
            process.stdout.close()


def _start(payload: IO[bytes]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark_core.clips.workers"],
        stdin=payload,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return process


def work(
    root: Path, clips: Sequence[Clip], formats: Sequence[StoredFormat], seconds: float, made: Callable[[], None]
) -> None:
    """Make the clips that no other process makes or has made. `made` is called after each clip.

    A clip that takes longer than `seconds` is left to the main process, and so is a bad clip: it reports them.
    """
    known = Contents(root)

    def build(task: BuildTask, missing: list[StoredFormat]) -> BuildResult:
        return decode_into(root, task, missing, seconds)

    def contents() -> Iterator[tuple[Clip, str]]:
        for clip in clips:
            with contextlib.suppress(BadClip):
                yield clip, known.key(clip.source)

    for _, outcome in BuildQueue(root, formats, build, workers=1).outcomes(contents()):
        if outcome == "built":
            made()


def main() -> None:
    """Run one worker. Its payload is on standard input; it ends when nobody reads its standard output."""
    count = os.dup(1)
    os.dup2(2, 1)  # what a plugin prints must not count as a clip
    root, clips, formats, seconds = pickle.load(sys.stdin.buffer)

    def made() -> None:
        os.write(count, b".")

    work(root, clips, formats, seconds, made)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
