"""How long-running work reports progress. The command line prints it; the core depends on the protocol only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Report finished units: `advance(1, loss=0.3)`."""

    def __call__(self, steps: int = 1, *, label: str | None = None, **metrics: float) -> None:
        """Add `steps` units. label: the new label, if it changes. metrics: shown next to the progress."""


class Reporter(Protocol):
    """`say(line)`, `warn(line)`, and `with steps(label, total, unit) as advance: advance(1, loss=0.3)`."""

    def say(self, line: str) -> None:
        """Report a line."""

    def warn(self, line: str) -> None:
        """Report a warning."""

    def steps(self, label: str, total: int, unit: str = "clips") -> AbstractContextManager[Advance]:
        """Report progress over `total` units."""


class Silent:
    """A reporter that prints nothing: for tests and for use as a library."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def warn(self, line: str) -> None:
        """Do nothing."""

    @contextmanager
    def steps(self, label: str, total: int, unit: str = "clips") -> Iterator[Advance]:
        """Give an `advance` that does nothing."""

        def advance(steps: int = 1, *, label: str | None = None, **metrics: float) -> None:
            pass

        yield advance


SILENT = Silent()


def follow(advance: Advance) -> Callable[[int, int], None]:
    """Return a callback `progress(done, total)` that calls `advance` with the number of new steps."""
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        advance(done - seen)
        seen = done

    return progress


def duration(seconds: float) -> str:
    """`4.2 s`, `42 s`, `3 min`, `1.5 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
