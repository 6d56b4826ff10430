"""How long work tells what it is doing. The command line draws it; the core only speaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Reporter(Protocol):
    """`say(line)`, `warn(line)`, and `with steps(label, total) as advance: advance(1, loss=0.3)`."""

    def say(self, line: str) -> None:
        """One line about what goes on."""

    def warn(self, line: str) -> None:
        """One line that must be seen."""

    def steps(self, label: str, total: int) -> AbstractContextManager[Callable[..., None]]:
        """A bar of `total` steps."""


class Silent:
    """Says nothing: for tests and for use as a library."""

    def say(self, line: str) -> None:
        """Nothing."""

    def warn(self, line: str) -> None:
        """Nothing."""

    @contextmanager
    def steps(self, label: str, total: int) -> Iterator[Callable[..., None]]:
        """Nothing, step by step."""
        yield lambda steps=1, **figures: None


def follow(advance: Callable[..., None]) -> Callable[[int, int], None]:
    """Turns "so many are done" into steps of a bar."""
    seen = 0

    def progress(done: int, total: int) -> None:
        nonlocal seen
        advance(done - seen)
        seen = done

    return progress
