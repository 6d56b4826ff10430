"""A reporter that keeps what is warned of."""

from __future__ import annotations

from benchmark_core.progress import Silent


class Listening(Silent):
    """Its `warnings`, in order."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warn(self, line: str) -> None:
        self.warnings.append(line)
