"""What the README and the pages in docs/ show is what there is."""

import csv
import inspect
import itertools
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

import elrbench
from benchmark_core import hookspecs
from benchmark_core.catalog import load_commands
from benchmark_core.cli import COMMANDS, cli, main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = {path: path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
BLOCKS = [block for text in PAGES.values() for block in re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)]


def page(name: str) -> str:
    return PAGES[ROOT / "docs" / f"{name}.md"]


def test_the_readme_is_short():
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.M | re.S)
    assert len(prose.split()) <= 1200


def test_every_export_of_the_python_api_is_documented():
    table = page("python").partition("## Exports")[2]
    assert set(re.findall(r"`(\w+)`", table)) == set(elrbench.__all__)


@pytest.mark.parametrize("name", ["README.md", "docs/python.md"])
def test_python_blocks_run(name: str, tmp_path: Path):
    blocks = re.findall(r"^```python\n(.*?)^```$", (ROOT / name).read_text(encoding="utf-8"), flags=re.M | re.S)
    few = '"dataset.train": 12, "dataset.test": 12'
    code = "\n".join(blocks).replace("settings={", f"settings={{{few}, ")
    code = code.replace('budget="smoke", out=', f'budget="smoke", settings={{{few}}}, out=')
    assert few in code
    code = code.replace('load_records("leaderboards")', f"load_records({str(ROOT / 'leaderboards')!r})")
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_help_is_the_real_one():
    argv = [sys.executable, "-c", "from benchmark_core.cli import main; main()", "--help"]
    environment = {"COLUMNS": "80", "PYTHONUTF8": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    shown = subprocess.run(argv, capture_output=True, text=True, check=True, env=environment).stdout
    assert ("", shown) in BLOCKS


@pytest.mark.parametrize(
    ("language", "file"),
    [
        ("python", "elrbench_example.py"),
        ("python", "elrbench_kinds.py"),
        ("python", "elrbench_maps.py"),
        ("python", "elrbench_tracker.py"),
        ("toml", "pyproject.toml"),
    ],
    ids=["method", "other kinds", "maps", "tracker", "pyproject"],
)
def test_the_example_plugin_is_the_tested_one(language, file):
    assert (language, (ROOT / "tests" / "example_plugin" / file).read_text(encoding="utf-8")) in BLOCKS


def test_every_hook_is_documented_with_its_signature():
    hooks = {name: value for name, value in vars(hookspecs).items() if name.startswith("elr_")}
    assert len(hooks) == 7
    documented = set(re.findall(r"^\| `(elr_.*?)` \|", page("plugins"), flags=re.M))
    assert documented == {f"{name}{inspect.signature(hook)}".replace("'", "") for name, hook in hooks.items()}


def shown_commands() -> list[tuple[str, list[str]]]:
    """(page, words after `elrbench`) of the shell lines, without comments and redirections."""
    found = []
    for path, text in PAGES.items():
        blocks = re.findall(r"^ *```\n(.*?)^ *```$", text, flags=re.M | re.S)
        for line in "\n".join(blocks).replace("\\\n", " ").splitlines():
            if re.match(r"\s*(\w+=\S+ )?elrbench [a-z]", line):
                words = shlex.split(line.partition("elrbench ")[2], comments=True)
                found.append((path.name, list(itertools.takewhile(lambda word: word not in ("&&", ">", "|"), words))))
    return found


def test_every_command_that_is_shown_parses():
    calls = shown_commands()
    assert {"README.md", "first-run.md", "running.md"} <= {name for name, _ in calls}
    known, context = {*COMMANDS, *load_commands()[0]}, click.Context(cli)
    for name, words in calls:
        assert words[0] in known, (name, words)
        command, *rest = cli.get_command(context, words[0]), *words[1:]
        while isinstance(command, click.Group):
            command = command.commands[rest.pop(0)]
        try:
            command.make_context(words[0], rest.copy())
        except click.UsageError as error:
            pytest.fail(f"{name}: elrbench {' '.join(words)}: {error.message}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_line_is_a_placeholder(page):
    prose = re.sub(r"^ *```.*?^ *```$", "", PAGES[page], flags=re.M | re.S)
    assert re.findall(r"^[A-Z_]{4,}$", prose, flags=re.M) == []


def test_the_comparison_on_the_first_run_is_what_the_records_make_of_it(capsys: pytest.CaptureFixture[str]):
    (words,) = re.findall(r"`elrbench (compare .*?)`", page("first-run"))
    (shown,) = [block for language, block in BLOCKS if language == "text" and "McNemar" in block]
    with pytest.raises(SystemExit) as stopped:
        main([*words.split(), "--folder", str(ROOT / "leaderboards")])
    assert not stopped.value.code
    printed = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in shown.splitlines() if line not in printed] == []


def shown_results() -> list[tuple[str, str, tuple[str, ...]]]:
    """(track, name of the last column, cells) of the rows of the README's two tables of results."""
    tables = re.findall(r"^\| method \| top-1.*\n\|[:|-]*\n((?:\|.*\n)+)", README, flags=re.M)
    shown = (("jhmdb/hmdb51-split1/average-12x16", "gain"), ("nagoya-fir/loso-6/native", "params"))
    return [
        (track, column, tuple(cell.strip() for cell in line.strip("|").split("|")))
        for (track, column), table in zip(shown, tables, strict=True)
        for line in table.splitlines()
    ]


def last_cell(row: dict[str, str], column: str) -> str:
    if column == "params":
        count = float(row["params"] or 0)
        return f"{count / 1e6:.3g} M" if count else "-"
    if not row["gain"]:
        return "-"
    gain, low, high = (100 * float(row[key]) for key in ("gain", "gain_low95", "gain_high95"))
    return f"{gain:+.2f} ({low:+.2f} to {high:+.2f})"


@pytest.mark.parametrize(
    ("track", "column", "cells"), shown_results(), ids=[" ".join(cells) for *_, cells in shown_results()]
)
def test_every_result_is_a_row_of_the_tables(track: str, column: str, cells: tuple[str, ...]) -> None:
    (name,) = re.findall(r"^`([^`]+)`", cells[0])
    score, seeds, last = cells[1:]
    found = []
    table = (ROOT / "leaderboards" / "tables" / f"{track}.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(table.splitlines()):
        spread = f" ± {100 * float(row['std']):.2f}" if float(row["std"] or 0) else ""
        if row["method"].split(" (")[0] == name and f"{100 * float(row['mean']):.2f}{spread}" == score:
            found.append((row["seeds"], last_cell(row, column)))
    assert (seeds, last) in found


def test_every_component_of_the_list_is_in(catalog):
    rows = dict(re.findall(r"^\| (datasets|degradations|enhancers|backbones|methods) \| (.*) \|$", README, flags=re.M))
    assert len(rows) == 5
    for plural, text in rows.items():
        section = getattr(catalog, plural)
        shown = {name.split(":")[0] for name in re.findall(r"`([\w:.-]+)`", text)}
        offered = {name.split(":")[0] for name in section}
        assert offered <= shown, f"{plural}: the README leaves out {sorted(offered - shown)}"
        assert all(name in section for name in shown - {"pretrained"}), f"{plural}: {sorted(shown)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", PAGES[page])
    assert links
    for link in (link for link in links if "://" not in link):
        path, _, heading = link.partition("#")
        target = (page.parent / path).resolve()
        assert target.exists(), link
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), flags=re.M) if heading else []
        assert not heading or heading in {
            re.sub(r"[^\w -]", "", name.lower()).replace(" ", "-") for name in headings
        }, link
