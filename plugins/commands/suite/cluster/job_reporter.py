"""The reporter of a worker: it prints to the log and keeps stage, epoch and ETA in the job's state."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from benchmark_core.progress import Advance, Reporter

EVERY = 1.0  # s between two writes of the state
_LOOP = re.compile(r"(?P<stage>.+?)(?: \(\d+\))?, epoch (?P<epoch>\d+)/(?P<epochs>\d+)")  # label of a training loop

Note = Callable[[str, int, int, float | None], None]  # stage, epoch, epochs, ETA in seconds


class JobReporter:
    """Pass everything on to `printer`, and call `note` at most once a second.

    macs: MACs of training by name of stage, in the order of training. The ETA extrapolates the pace of the running
    loop to the stages after it. Without them, it is that of the loop.
    """

    def __init__(self, printer: Reporter, note: Note, macs: Mapping[str, float]) -> None:
        self.printer = printer
        self.note = note
        self.macs = dict(macs)
        self._due = 0.0

    def say(self, line: str) -> None:
        """Print a line."""
        self.printer.say(line)

    def warn(self, line: str) -> None:
        """Print a warning."""
        self.printer.warn(line)

    @contextmanager
    def steps(self, label: str, total: int, unit: str = "clips") -> Iterator[Advance]:
        """Print progress and note it."""
        began, done, shown = time.monotonic(), 0, label
        self._note(shown, None)
        with self.printer.steps(label, total, unit) as inner:

            def advance(steps: int = 1, *, label: str | None = None, **metrics: float) -> None:
                nonlocal done, shown
                inner(steps, label=label, **metrics)
                done, shown = done + steps, label or shown
                if time.monotonic() >= self._due:
                    self._note(shown, self._eta(shown, done / total, time.monotonic() - began) if total else None)

            yield advance

    def _note(self, label: str, eta: float | None) -> None:
        self._due = time.monotonic() + EVERY
        loop = _LOOP.fullmatch(label)
        if loop is None:
            self.note(label, 0, 0, None)
        else:
            self.note(loop["stage"], int(loop["epoch"]), int(loop["epochs"]), eta)

    def _eta(self, label: str, share: float, spent: float) -> float | None:
        """Return the seconds of training left. share: of the running loop that is done."""
        if share <= 0:
            return None
        left = spent / share * (1 - share)
        loop = _LOOP.fullmatch(label)
        names = list(self.macs)
        if loop is not None and loop["stage"] in names and (own := self.macs[loop["stage"]]) > 0:
            later = sum(self.macs[name] for name in names[names.index(loop["stage"]) + 1 :])
            left += spent / share * later / own
        return left
