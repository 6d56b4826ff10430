"""Progress on stderr: bars on a terminal, plain lines elsewhere. Results go to stdout."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

import click

from benchmark_core.cli.visible import visible
from benchmark_core.progress import Advance, Silent, duration

EVERY_S = 10.0  # seconds between two plain lines


class ConsoleReporter:
    """Report progress on a stream, stderr by default.

    `say(line)`, `warn(line)`, and `with steps(label, total, unit) as advance: advance(1, loss=0.3)`.
    quiet: print warnings only.
    """

    def __init__(self, stream: TextIO | None = None, terminal: bool | None = None, quiet: bool = False) -> None:
        self.stream = stream or sys.stderr or io.StringIO()  # stderr may be closed
        self.terminal = self.stream.isatty() if terminal is None else terminal
        self.quiet = quiet

    def say(self, line: str) -> None:
        """Print a line."""
        if not self.quiet:
            print(visible(line), file=self.stream, flush=True)

    def warn(self, line: str) -> None:
        """Print a warning, even if quiet."""
        print(visible(f"elrbench: warning: {line}"), file=self.stream, flush=True)

    @contextmanager
    def steps(self, label: str, total: int, unit: str = "clips") -> Iterator[Advance]:
        """Show progress over `total` units: a bar on a terminal, else a line every ten seconds and one at the end."""
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
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
        )
        stream = getattr(self.stream, "stream", self.stream)  # a bar moves the cursor
        with Progress(*columns, console=Console(file=stream), redirect_stdout=False) as progress:
            task = progress.add_task(visible(label), total=total, figures="")

            def advance(steps: int = 1, *, label: str | None = None, **figures: float) -> None:
                shown = visible(label or "") or None
                progress.update(task, advance=steps, figures=_figures(figures), description=shown)

            yield advance

    @contextmanager
    def _lines(self, label: str, total: int, unit: str) -> Iterator[Advance]:
        began = printed = time.monotonic()
        done, last, shown = 0, "", label

        def advance(steps: int = 1, *, label: str | None = None, **figures: float) -> None:
            nonlocal done, printed, last, shown
            done, last, shown = done + steps, _figures(figures), label or shown
            if (now := time.monotonic()) - printed >= EVERY_S:
                printed = now
                left = f"ETA {duration((now - began) / done * (total - done))}" if done else ""
                self.say(", ".join(filter(None, (f"{shown}: {done}/{total} {unit}", last, left))))

        yield advance
        ended = f"{shown}: {done}/{total} {unit} in {duration(time.monotonic() - began)}"
        self.say(", ".join(filter(None, (ended, last))))


def _figures(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {float(value):.4g}" for key, value in figures.items())


_results: TextIO | None = None  # stdout, while `results_only` sends everything else to stderr


@contextmanager
def results_only() -> Iterator[None]:
    """Keep stdout for `print_json`. Everything else written to it, as by `print` in a plugin, goes to stderr.

    This includes C libraries and child processes, which write to file descriptor 1.
    """
    global _results
    stdout, file = sys.stdout, None
    with suppress(io.UnsupportedOperation):  # not a file, such as in a notebook
        if stdout.fileno() == 1:
            file = os.fdopen(os.dup(1), "w", encoding=stdout.encoding, errors=stdout.errors)
            os.dup2(2, 1)
    _results, sys.stdout = file or stdout, sys.stderr
    try:
        yield
    finally:
        _results, sys.stdout = None, stdout
        if file is not None:
            os.dup2(file.fileno(), 1)
            with suppress(OSError):  # full; the error was raised when it was written
                file.close()


def print_json(value: Any) -> None:
    """Print `value` on stdout as indented JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False), file=_results)


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Return rows of cells as left-aligned columns; the last column is not padded."""
    table = [list(row) for row in rows]
    if not table:
        return ""
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]) - 1)]
    cells = ([*map(str.ljust, row[:-1], widths), row[-1]] for row in table)
    return "\n".join(f"{indent}{'  '.join(row)}".rstrip() for row in cells)
