"""One track's page as Markdown, and the index of all tracks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from urllib.parse import quote

from benchmark_core.tables.cells import links, literal, marked, notes
from benchmark_core.tables.grid import grid
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed_markdown import printed_section
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.track_cells import BUDGET, MARKED, TrackCells, budget, index_cells

MARK = "<!-- written by 'elrbench leaderboard' from the records; edit those, not this -->"

LEGEND = """\
Scores in %: mean ± sample standard deviation over seeds. The 95 % interval is over test clips: Wilson's for shares of
clips, bootstrap for F1; a clip that several folds test counts in each. *Matched*: the control of the same budget,
partners and numbers of epochs; *Δ matched*: the paired difference from it, in points, on the same seeds and clips, with
its 95 % bootstrap interval. A row shares the rank of that rank's first row unless the paired interval of the two is
above zero. `k/n folds`: not ranked until all folds are in; nor is one seed where other rows have several. \\*: numbers
that are not the budget's, named in the last table. MACs: multiply-adds; `≥` where an operator could not be counted.
`-`: not measured, or nothing to pair with; it enters no mean."""


def track_markdown(page: Page, root: str) -> str:
    """The page of a track. `root` leads from the page to the leaderboards folder ("../../../")."""
    parts = [MARK, f"# {literal(page.title)}", *_measured(page, root)]
    if page.printed:
        parts += printed_section(page)
    return "\n\n".join(parts) + "\n"


def _measured(page: Page, root: str) -> list[str]:
    """What was run: scores in one table, what the rows are in another, for both in one is too wide to read."""
    table = page.table
    if table is None:
        return ["Nothing is measured on this track yet."]
    cells = TrackCells(table)
    lines = cells.lines
    rows = [_scores(line, row) for line, row in zip(lines, cells.scores(), strict=True)]
    parts = [f"{cells.said}, data `{table.manifest}`."]
    begin = 0
    for heading, of_section in cells.sections.items():
        if of_section:
            parts += [f"## {heading}"] if heading else []
            parts.append(grid(rows[begin : begin + len(of_section)]))
        begin += len(of_section)
    what = [marked(row) | {"records": links(line, root)} for line, row in zip(lines, cells.what(), strict=True)]
    parts += [LEGEND, "## What the rows are", grid(what)]
    said_by: dict[str, list[int]] = {}
    for number, line in enumerate(lines, 1):
        for note in notes(line):
            said_by.setdefault(note, []).append(number)
    if said_by:
        parts.append("\n".join(f"- Row {', '.join(map(str, rows))}: {literal(note)}" for note, rows in said_by.items()))
    return parts


def index_markdown(pages: Mapping[PurePosixPath, Page], others: Mapping[str, str]) -> str:
    """The page that lists all tracks, of pages by their paths. others: of further pages, what they are."""
    measured_first = sorted(pages.items(), key=lambda item: (item[1].table is None, f"{item[0]}.md".split("/")))
    rows = [_indexed(path, page) for path, page in measured_first]
    parts = [MARK, "# Tracks", "One table a track: dataset, protocol, degradation. Scores in %."]
    parts.append(grid(rows) if rows else "No records yet.")
    if others:
        parts.append("\n".join(f"- [{literal(what)}]({quote(file)})" for file, what in others.items()))
    return "\n\n".join(parts) + "\n"


def _indexed(path: PurePosixPath, page: Page) -> dict[str, str]:
    files = [f"[CSV]({quote(f'{path}.csv')})"] if page.table else []
    files += [f"[reported]({quote(f'{path}.reported.csv')})"] if page.printed else []
    cells = marked(index_cells(page))
    return {**cells, "track": f"[{cells['track']}]({quote(f'{path}.md')})", "CSV": " ".join(files)}


def _scores(line: RankedRow, row: Mapping[str, str]) -> dict[str, str]:
    """The mark behind a budget's name is the legend's, no part of the name."""
    first = line.row.first
    named = literal(first["plan"]["budget"]) + ("\\*" if budget(first).endswith(MARKED) else "")
    return {**marked(row), BUDGET: named}
