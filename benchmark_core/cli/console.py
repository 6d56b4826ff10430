"""What one sees while something runs, on stderr: bars on a terminal, plain lines elsewhere. Results go to stdout."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import click

from benchmark_core.progress import Advance, Silent

EVERY_S = 10.0  # seconds between two plain lines of one bar


class ConsoleReporter:
    """`say(line)`, `warn(line)`, and `with steps(label, total) as advance: advance(1, loss=0.3)`."""

    def __init__(self, stream: TextIO | None = None, terminal: bool | None = None, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr
        self.terminal = self.stream.isatty() if terminal is None else terminal
        self.quiet = quiet

    def say(self, line: str) -> None:
        """One line about what goes on."""
        if not self.quiet:
            print(line, file=self.stream, flush=True)

    def warn(self, line: str) -> None:
        """One line that also a quiet reporter prints."""
        print(f"elrbench: {line}", file=self.stream, flush=True)

    @contextmanager
    def steps(self, label: str, total: int, *, unit: str = "clips") -> Iterator[Advance]:
        """A bar of `total` steps on a terminal; elsewhere a line every ten seconds and one at the end."""
        if self.quiet:
            with Silent().steps(label, total) as advance:
                yield advance
        elif self.terminal:
            with self._bar(label, total) as advance:
                yield advance
        else:
            with self._lines(label, total, unit) as advance:
                yield advance

    @contextmanager
    def _bar(self, label: str, total: int) -> Iterator[Advance]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
        )
        with Progress(*columns, console=Console(file=self.stream), redirect_stdout=False) as progress:
            task = progress.add_task(label, total=total, figures="")

            def advance(steps: int = 1, *, label: str | None = None, **figures: float) -> None:
                progress.update(task, advance=steps, figures=_figures(figures), description=label)

            yield advance

    @contextmanager
    def _lines(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        began = printed = time.monotonic()
        done, last, shown = 0, "", label

        def advance(steps: int = 1, *, label: str | None = None, **figures: float) -> None:
            nonlocal done, printed, last, shown
            done, last, shown = done + steps, _figures(figures), label or shown
            if time.monotonic() - printed >= EVERY_S:
                printed = time.monotonic()
                self.say(f"{shown} {done}/{total} {unit} {printed - began:.0f} s {last}".rstrip())

        yield advance
        self.say(f"{shown} {done}/{total} {unit} {time.monotonic() - began:.1f} s {last}".rstrip())


def _figures(figures: Mapping[str, float]) -> str:
    return " ".join(f"{key} {float(value):.4g}" for key, value in figures.items())


def print_json(value: Any) -> None:
    """`value` on stdout as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Rows of cells under one another, left-aligned; the last column is free in width."""
    table = [list(row) for row in rows]
    if not table:
        return ""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    cells = ([*map(str.ljust, row[:-1], widths), row[-1]] for row in table)
    return "\n".join(f"{indent}{'  '.join(row)}".rstrip() for row in cells)
