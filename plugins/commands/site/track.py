"""A track's page: its tables as in Markdown, plots of them, and what each row opens."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from benchmark_core.tables.cells import notes
from benchmark_core.tables.markdown import LEGEND
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed import Printed
from benchmark_core.tables.printed_cells import beside_cells, place_in
from benchmark_core.tables.printed_markdown import LEGEND as PRINTED_LEGEND
from benchmark_core.tables.track_cells import TrackCells
from elrbench_plugins.commands.site.blocks import Block, heading, table, text
from elrbench_plugins.commands.site.classes import classes_block
from elrbench_plugins.commands.site.front import front_block
from elrbench_plugins.commands.site.opened import opened

UNMEASURED = "Nothing is measured on this track yet."


def track_blocks(page: Page, board: str) -> list[Block]:
    """board: the name of the leaderboards folder, from which records are run again."""
    blocks = _measured(page, board) if page.table else [text(UNMEASURED)]
    return blocks + (_printed(page) if page.printed else [])


def unmarked(legend: str) -> str:
    """A legend that is written as Markdown, as plain text of one paragraph."""
    line = " ".join(legend.split())
    return re.sub(r"(?<!\\)\*(.+?)(?<!\\)\*", r"\1", line).replace("\\*", "*").replace("`", "")


def _measured(page: Page, board: str) -> list[Block]:
    assert page.table
    cells = TrackCells(page.table)
    primary = page.table.track["primary"]
    scores, what = cells.scores(), cells.what()
    opens = [opened(line, scores[place] | what[place], board) for place, line in enumerate(cells.lines)]
    titles = list(scores[0] | what[0])
    blocks = [heading("Measured", key="measured"), text(f"{cells.said}, data {page.table.manifest}.")]
    begin = 0
    for title, lines in cells.sections.items():
        end = begin + len(lines)
        if lines:
            blocks += [heading(title, 3)] if title else []
            label = f"Measured on {page.title}" + (f": {title}" if title else "")
            main = ("#", "rank", "method", primary)
            blocks.append(table(label, scores[begin:end], main=main, opens=opens[begin:end], titles=titles))
        begin = end
    said_by: dict[str, list[str]] = {}
    for number, line in enumerate(cells.lines, 1):
        for note in notes(line):
            said_by.setdefault(note, []).append(str(number))
    blocks += [text(*(f"Row {', '.join(rows)}: {note}" for note, rows in said_by.items()))] if said_by else []
    blocks.append({"kind": "more", "label": "What the columns say", "paragraphs": [unmarked(LEGEND)]})
    blocks += front_block(cells, primary)
    return blocks + classes_block(cells, primary)


def _printed(page: Page) -> list[Block]:
    blocks = [heading("Reported by papers", key="reported")]
    competitors = [line for line in page.printed if not line.first.ceiling]
    oracles = [line for line in page.printed if line.first.ceiling]
    for title, lines in (("", competitors), ("Ceilings (seen at full resolution)", oracles)):
        if lines:
            several = ["score"] if len({line.first.metric for line in lines}) > 1 else []
            blocks += [heading(title, 3)] if title else []
            blocks.append(
                table(
                    f"Reported on {page.title}" + (f": {title}" if title else ""),
                    [beside_cells(line) for line in lines],
                    main=("system", *several, "reported", "measured"),
                    opens=[_sources(line, page) for line in lines],
                )
            )
    return [*blocks, {"kind": "more", "label": "What the columns say", "paragraphs": [unmarked(PRINTED_LEGEND)]}]


def _sources(line: Printed, page: Page) -> Block:
    """Where the figure stands, and what is said of it."""
    sources = [
        {"text": f"{figure.paper}, {place_in(figure)}", "url": page.urls[figure.paper]} for figure in line.figures
    ]
    return {"sources": sources, "notes": list(line.notes)}


def place_of(path: PurePosixPath) -> PurePosixPath:
    """Where a track's page lies in the site."""
    return PurePosixPath("tracks") / path.with_name(f"{path.name}.html")
