"""Page of a track: the tables of the Markdown page, plots, and the details of each row."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from benchmark_core.tables.cells import notes
from benchmark_core.tables.gather import TrackPage
from benchmark_core.tables.markdown import LEGEND, NOT_MEASURED
from benchmark_core.tables.reported import FigureRow
from benchmark_core.tables.reported_cells import ORACLE, figure_cells, source_in_paper
from benchmark_core.tables.reported_markdown import LEGEND as REPORTED_LEGEND
from benchmark_core.tables.track_cells import TrackCells
from elrbench_plugins.commands.site.blocks import Block, heading, table, text
from elrbench_plugins.commands.site.classes import classes_block
from elrbench_plugins.commands.site.front import front_block
from elrbench_plugins.commands.site.row_details import row_details


def track_blocks(page: TrackPage, board: str) -> list[Block]:
    """Return the blocks of a track's page. board: name of the leaderboards folder, for the rerun commands."""
    blocks = [text(*page.notes)] if page.notes else []
    blocks += _measured(page, board) if page.table else [text(NOT_MEASURED)]
    return blocks + (_reported(page) if page.figures else [])


def plain_text(legend: str) -> str:
    """Convert a Markdown legend to one paragraph of plain text."""
    line = " ".join(legend.split())
    return re.sub(r"(?<!\\)\*(.+?)(?<!\\)\*", r"\1", line).replace("\\*", "*").replace("`", "")


def _measured(page: TrackPage, board: str) -> list[Block]:
    assert page.table
    cells = TrackCells(page.table)
    primary = page.table.track["primary"]
    scores, settings = cells.scores(), cells.settings()
    opens = [row_details(ranked, scores[i] | settings[i], board) for i, ranked in enumerate(cells.ranking)]
    titles = list(scores[0] | settings[0])
    blocks = [heading("Measured", key="measured"), text(f"{cells.summary}, data {page.table.manifest}.")]
    begin = 0
    for title, section in cells.sections.items():
        end = begin + len(section)
        if section:
            blocks += [heading(title, 3)] if title else []
            label = f"Measured on {page.title}" + (f": {title}" if title else "")
            main = ("#", "rank", "method", primary)
            blocks.append(table(label, scores[begin:end], main=main, opens=opens[begin:end], titles=titles))
            blocks += [text(cells.yardstick)] if cells.yardstick and not title else []
        begin = end
    rows_by_note: dict[str, list[str]] = {}
    for number, ranked in enumerate(cells.ranking, 1):
        for note in notes(ranked):
            rows_by_note.setdefault(note, []).append(str(number))
    blocks += [text(*(f"Row {', '.join(rows)}: {note}" for note, rows in rows_by_note.items()))] if rows_by_note else []
    blocks.append({"kind": "more", "label": "Meaning of the columns", "paragraphs": [plain_text(LEGEND)]})
    blocks += front_block(cells, primary)
    return blocks + classes_block(cells, primary)


def _reported(page: TrackPage) -> list[Block]:
    blocks = [heading("Reported by papers", key="reported")]
    competitors = [figure_row for figure_row in page.figures if not figure_row.first.ceiling]
    oracles = [figure_row for figure_row in page.figures if figure_row.first.ceiling]
    for title, rows in (("", competitors), (ORACLE, oracles)):
        if rows:
            several = ["score"] if len({figure_row.first.metric for figure_row in rows}) > 1 else []
            blocks += [heading(title, 3)] if title else []
            blocks.append(
                table(
                    f"Reported on {page.title}" + (f": {title}" if title else ""),
                    [figure_cells(figure_row) for figure_row in rows],
                    main=("system", *several, "reported", "measured"),
                    opens=[_sources(figure_row, page) for figure_row in rows],
                )
            )
    return [*blocks, {"kind": "more", "label": "Meaning of the columns", "paragraphs": [plain_text(REPORTED_LEGEND)]}]


def _sources(figure_row: FigureRow, page: TrackPage) -> Block:
    """Return the details of a figure: its sources and notes."""
    sources = [
        {"text": f"{figure.paper}, {source_in_paper(figure)}", "url": page.urls[figure.paper]}
        for figure in figure_row.figures
    ]
    return {"sources": sources, "notes": list(figure_row.notes)}


def page_path(path: PurePosixPath) -> PurePosixPath:
    """Return the path of a track's page in the site."""
    return PurePosixPath("tracks") / path.with_name(f"{path.name}.html")
