"""Other processes that fill a store along with this one: the clips' locks share the work out among them.

They are processes, since decoding frame by frame leaves too little outside the interpreter's lock for threads. They
only make what this process would come to later: where they cannot start, cannot import what a recipe names, or die,
it makes all of it itself. Killing them, or this process, is safe at any moment.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from benchmark_core.clips.formats import StoredFormat
from benchmark_core.specs.index import Clip

WORTHWHILE = 4.0  # s of work left for each process; starting one takes about half a second


class Crew:
    """`size` processes, started by `consider` when there is work enough, ended with the context.

    built: clips that they made.
    """

    def __init__(
        self, root: Path, clips: Sequence[Clip], formats: Sequence[StoredFormat], *, size: int, seconds: float
    ) -> None:
        self.size = size
        self.built = 0
        plain = tuple(dataclasses.replace(fmt, options=dict(fmt.options)) for fmt in formats)
        self._order: tuple[Any, ...] = (root, clips, plain, seconds)
        self._running: list[subprocess.Popen[bytes]] = []

    def consider(self, left: int, pace: float) -> None:
        """`left` clips remain, at `pace` seconds for each: start the others, once, where that is worth while."""
        if self._running:
            self._count()
        elif left * pace > WORTHWHILE * (1 + self.size):
            self._start()

    def _start(self) -> None:
        size, self.size = self.size, 0
        for _ in range(size):
            with tempfile.TemporaryFile() as order:
                try:
                    pickle.dump(self._order, order)
                except (pickle.PicklingError, AttributeError, TypeError):  # a plugin's code that has no import name
                    return
                order.seek(0)
                with contextlib.suppress(OSError):
                    self._running.append(_start(order))

    def _count(self) -> None:
        """One byte comes for each clip made."""
        for process in self._running:
            assert process.stdout is not None
            self.built += len(process.stdout.read() or b"")

    def __enter__(self) -> Crew:
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


def _start(order: IO[bytes]) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmark_core.clips.workers"],
        stdin=order,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return process


def work() -> None:
    """What a process of the crew does: the order is on its standard input. Ends when nobody reads what it writes."""
    from benchmark_core.clips.store import ClipStore

    root, clips, formats, seconds = pickle.load(sys.stdin.buffer)

    def made() -> None:
        os.write(sys.stdout.fileno(), b".")

    ClipStore(root).help(clips, formats, seconds, made)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        work()
