"""A reporter that keeps what is said and what is warned of."""

from __future__ import annotations

from benchmark_core.progress import Silent


class Listening(Silent):
    """Its `lines` and its `warnings`, in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.warnings: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def warn(self, line: str) -> None:
        self.warnings.append(line)
