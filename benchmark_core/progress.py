"""How long-running work reports progress. The command line prints it; the core depends on the protocol only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Reporter(Protocol):
    """`say(line)`, `warn(line)`, and `with steps(label, total, unit) as advance: advance(1, loss=0.3)`."""

    def say(self, line: str) -> None:
        """Report a line."""

    def warn(self, line: str) -> None:
        """Report a warning."""

    def steps(self, label: str, total: int, unit: str = "clips") -> AbstractContextManager[Callable[..., None]]:
        """Report progress over `total` units. The context gives `advance(steps=1, **figures)`."""


class Silent:
    """A reporter that prints nothing: for tests and for use as a library."""

    def say(self, line: str) -> None:
        """Do nothing."""

    def warn(self, line: str) -> None:
        """Do nothing."""

    @contextmanager
    def steps(self, label: str, total: int, unit: str = "clips") -> Iterator[Callable[..., None]]:
        """Give an `advance` that does nothing."""
        yield lambda steps=1, **figures: None


def follow(advance: Callable[..., None]) -> Callable[[int, int], None]:
    """Return a callback `progress(done, total)` that calls `advance` with the number of new steps."""
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        advance(done - seen)
        seen = done

    return progress
