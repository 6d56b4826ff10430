"""How long work reports what it does. The command line prints it; the core only calls a `Reporter`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Advance(Protocol):
    """Report finished units of work: `advance(1, loss=0.3)`."""

    def __call__(self, steps: int = 1, *, label: str | None = None, **metrics: float) -> None:
        """Add `steps` units. label: replaces the bar's label. metrics: shown next to the bar."""


class Reporter(Protocol):
    """`say(line)`, `warn(line)`, and `with steps(label, total) as advance: advance(1, loss=0.3)`."""

    def say(self, line: str) -> None:
        """Print one line about what is being done."""

    def warn(self, line: str) -> None:
        """Print one line that must be seen."""

    def steps(self, label: str, total: int, *, unit: str = "clips") -> AbstractContextManager[Advance]:
        """Show the progress of `total` units of work, called `unit`."""


class Silent:
    """A reporter that prints nothing: for tests and for use as a library."""

    def say(self, line: str) -> None:
        """Print nothing."""

    def warn(self, line: str) -> None:
        """Print nothing."""

    @contextmanager
    def steps(self, label: str, total: int, *, unit: str = "clips") -> Iterator[Advance]:
        """Show nothing."""

        def advance(steps: int = 1, *, label: str | None = None, **metrics: float) -> None:
            pass

        yield advance


def follow(advance: Advance) -> Callable[[int, int], None]:
    """Return `progress(done, total)`, which calls `advance` with the units done since its last call."""
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        advance(done - seen)
        seen = done

    return progress
