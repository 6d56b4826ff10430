"""YAML and names from elsewhere: bounded documents, and no control character reaches the terminal."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import click
import pytest

from benchmark_core.cli import main
from benchmark_core.cli.app import cli
from benchmark_core.cli.console import ConsoleReporter, print_json
from benchmark_core.errors import ElrError
from benchmark_core.strict_yaml import parse_yaml, read_yaml

ODD = "\x1b[31m\x1b]0;title\x07\r\x7f\x9b\u202e\u2066\u2028\udcff\ud800"
HIDDEN = set(ODD) - set("[31m]0;title")
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call() -> Call:
    """`call("suite", "show", FILE)` -> (exit code, stdout, stderr) as a terminal gets them: UTF-8, strict."""

    def run(*argv: str | Path) -> tuple[int, str, str]:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stopped:
            main(list(map(str, argv)))
        out.flush(), err.flush()
        texts = [stream.buffer.getvalue().decode() for stream in (out, err)]  # type: ignore[attr-defined]
        return int(stopped.value.code or 0), texts[0], texts[1]

    return run


def suite(folder: Path, text: str, name: str = "mine") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"suite: {name}\n{text}")
    return path


# -- documents that grow


def test_aliases_that_expand_to_billions(tmp_path: Path, call: Call) -> None:
    lines = ["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    code, _, err = call("suite", "show", suite(tmp_path, "\n".join(lines)))
    assert code == 2 and "mine.yaml" in err and "aliases" in err and err.count("\n") == 1 and len(err) < 500


@pytest.mark.parametrize("text", ["&a [*a]", "&a {x: *a}", "[" * 2000 + "]" * 2000])
def test_a_document_that_contains_itself_or_is_deep(text: str) -> None:
    with pytest.raises(ElrError, match="x.yaml"):
        parse_yaml(text, "x.yaml")


@pytest.mark.parametrize(
    "number", ["0x" + "f" * 5000, "1" * 5000, "1" + ":10" * 3000], ids=["hex", "decimal", "base 60"]
)
def test_a_whole_number_too_long_to_print(tmp_path: Path, call: Call, number: str) -> None:
    code, _, err = call("suite", "show", suite(tmp_path, f"seeds: [{number}]\nrows: []"))
    assert code == 2 and "mine.yaml" in err and err.count("\n") == 1 and len(err) < 500


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    path = suite(tmp_path, "rows:\n" + "- {method: supervised, dataset: puppets}\n" * 200_000)
    with pytest.raises(ElrError, match="the limit is") as caught:
        read_yaml(path)
    assert str(path) in str(caught.value)


def test_aliases_of_a_usual_size_are_read() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: *a", "x")["b"] == [1, 2]
    with pytest.raises(ElrError, match="'k' is given twice"):
        parse_yaml("k: 1\nk: 2", "x")


def test_a_matrix_of_200_000_rows_is_counted_before_it_is_made(tmp_path: Path, call: Call) -> None:
    axis = ", ".join(map(str, range(450)))
    for text in (f"sampling: [{axis}]\n  size: [{axis}]", f"sampling: [{axis}]\n  seed: [{axis}]"):
        path = suite(tmp_path, f"matrix:\n  method: [supervised]\n  dataset: [puppets]\n  {text}")
        began = time.process_time()
        code, _, err = call("suite", "show", path, "--no-cost")
        assert time.process_time() - began < 60  # 202,500 rows take minutes
        assert code == 2 and "202,500" in err and str(path) in err and err.count("\n") == 1
    rows = "\n".join("- {method: supervised, dataset: puppets}" for _ in range(20))
    code, _, err = call("suite", "show", suite(tmp_path, f"seeds: [{axis}]\nrows:\n{rows}"))
    assert code == 2 and "9,000" in err


# -- what reaches the terminal


def test_a_suite_with_escapes_shows_them(tmp_path: Path, call: Call) -> None:
    title = json.dumps(f"title {ODD}").replace("\\udcff\\ud800", "")
    row = f'{{row: "a\\x1b[2J", method: supervised, dataset: puppets, budget: smoke, note: {title}}}'
    path = suite(tmp_path, f"title: {title}\nabout: [{title}]\nrows: [{row}]")
    for more in ((), ("--json",)):
        code, out, err = call("suite", "show", path, "--no-cost", *more)
        assert code == 0 and not HIDDEN & {*out, *err}
        assert "\\u001b[31m" in out and "\\u202e" in out and "a\\u001b[2J" in out
    assert json.loads(out)["title"] == json.loads(title)


def test_an_error_with_escapes_and_line_ends_is_one_line(tmp_path: Path, call: Call) -> None:
    path = suite(tmp_path, f'rows: [{{method: "{"x" * 9000}\\n\\x1b[2Jelrbench: done", dataset: puppets}}]')
    code, out, err = call("suite", "show", path)
    assert code == 2 and not out and err.count("\n") == 1 and not HIDDEN & set(err) and len(err) < 5000
    code, out, err = call("run", "--method", "a\x1b[2J\nb", "--dataset", "puppets")
    assert code == 2 and "a\\u001b[2J b" in err and err.count("\n") == 1


def test_file_names_with_escapes(tmp_path: Path, call: Call) -> None:
    folder = tmp_path / "records" / "\x1b[2J\u202e"
    folder.mkdir(parents=True)
    (folder / "x\x07.json").write_text("{}")
    code, out, err = call("verify", "--folder", tmp_path)
    assert code == 1 and not HIDDEN & {*out, *err} and "\\u001b[2J\\u202e/x\\u0007.json" in out


def test_output_of_plugins_is_shown_too(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("odd")
    def odd() -> None:
        print(ODD)
        click.echo(ODD, err=True)
        print_json({"name": ODD})

    monkeypatch.setitem(cli.commands, "odd", odd)
    monkeypatch.setattr(type(cli), "resolve_command", lambda self, ctx, args: ("odd", odd, []))
    code, out, err = call("odd")
    assert code == 0 and not HIDDEN & {*out, *err} and "\\u001b]0;title\\u0007" in err
    assert json.loads(out.partition("\n")[2])["name"] == ODD


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_shows_escapes_and_no_markup(terminal: bool) -> None:
    stream = io.StringIO()
    reporter = ConsoleReporter(stream, terminal=terminal)
    with reporter.steps("[bold]a\x07b\u202e", 1) as advance:
        advance(1, label="[link=x]c\x07")
    reporter.say("said\x1b[2J")
    reporter.warn("warned\x1b[2J")
    text = stream.getvalue()
    assert "[link=x]c\\u0007" in text and "\x07" not in text and "\u202e" not in text
    assert "said\\u001b[2J" in text and "warned\\u001b[2J" in text
