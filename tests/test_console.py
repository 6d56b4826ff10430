"""The console: progress as a bar on a terminal and as plain lines elsewhere, and text in columns."""

import io
import re

from benchmark_core.cli.console import ConsoleReporter, columns


def test_plain_lines_without_a_terminal():
    stream = io.StringIO()
    with ConsoleReporter(stream).steps("student, epoch 1/2", 4, unit="steps") as advance:
        for step in range(4):
            advance(1, label=f"student, epoch {step // 2 + 1}/2", loss=0.25)
    (line,) = stream.getvalue().splitlines()
    assert re.fullmatch(r"student, epoch 2/2: 4/4 steps in \d+\.\d s, loss 0\.25", line)


def test_plain_lines_come_every_ten_seconds(monkeypatch):
    from benchmark_core.cli import console

    now = iter(range(0, 1000, 3))
    monkeypatch.setattr(console.time, "monotonic", lambda: float(next(now)))
    stream = io.StringIO()
    with ConsoleReporter(stream).steps("student", 12) as advance:
        for _ in range(12):
            advance()
    assert 2 <= stream.getvalue().count("\n") <= 8


def test_a_bar_on_a_terminal():
    stream = io.StringIO()
    with ConsoleReporter(stream, terminal=True).steps("student", 2) as advance:
        advance(2, loss=0.5)
    assert "student" in stream.getvalue() and "2/2" in stream.getvalue()


def test_columns():
    assert columns([("a", "bb", "c"), ("aaa", "b", "")], indent=" ") == " a    bb  c\n aaa  b"
    assert columns([]) == ""
