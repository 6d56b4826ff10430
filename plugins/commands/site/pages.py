"""All files of the site: the index of tracks, a page a track, resolutions, costs, reported figures, and assets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

from benchmark_core.papers.collection import Library
from benchmark_core.tables.costs import ENHANCERS, LATENCY, RECOGNIZERS, cost_tables, latency_table
from benchmark_core.tables.costs import LEGEND as COSTS_LEGEND
from benchmark_core.tables.costs import TITLE as COSTS_TITLE
from benchmark_core.tables.gather import Gathered, gather
from benchmark_core.tables.printed import Reported
from benchmark_core.tables.printed_cells import (
    ELSEWHERE,
    of_no_track,
    open_cells,
    open_notes,
    paper_cells,
    place_in,
    unseen_cells,
)
from benchmark_core.tables.printed_markdown import OPEN
from benchmark_core.tables.printed_markdown import TITLE as REPORTED_TITLE
from benchmark_core.tables.track_cells import index_cells
from elrbench_plugins.commands.site.blocks import Block, flattened, heading, table, text
from elrbench_plugins.commands.site.curves import curves_blocks
from elrbench_plugins.commands.site.track import place_of, track_blocks, unmarked
from elrbench_plugins.pages.bundle import libraries, licences
from elrbench_plugins.pages.html import data_script, fill

_HERE = files("elrbench_plugins.commands.site")
_ASSETS = ("blocks.css", "show.js", "table.js", "opened.js", "plots.js", "classes.js", "blocks.js")
INDEX, CURVES, COSTS, REPORTED = (
    PurePosixPath(f"{name}.html") for name in ("index", "resolutions", "costs", "reported")
)
_SEEN = {ENHANCERS: ("from", "to"), RECOGNIZERS: ("head",)}  # of costs, on a narrow screen too
_CURVES_TITLE = "Scores by resolution"


@dataclass(frozen=True)
class Site:
    """Contents by path, and a line for each record that was left out."""

    files: Mapping[PurePosixPath, bytes]
    problems: tuple[str, ...]


def build_site(leaderboards: Path, library: Library | None = None) -> Site:
    """The same of the same records, byte for byte; writes nothing. ElrError where there is no such folder.

    library: whose reported figures stand beside the measured ones; by default of all installed papers.
    """
    found = gather(leaderboards, library, whole=True)
    board = leaderboards.resolve().name
    pages = dict(_pages(found, board))
    titles = {path: title for path, (title, _) in pages.items() if path in (INDEX, CURVES, COSTS, REPORTED)}
    made = {path: _html(path, title, blocks, titles).encode() for path, (title, blocks) in pages.items()}
    return Site(made | _assets(), found.problems)


def _assets() -> dict[PurePosixPath, bytes]:
    folder = PurePosixPath("assets")
    made = {folder / name: (_HERE / "assets" / name).read_bytes() for name in _ASSETS}
    made |= {folder / each.file: each.content() for each in libraries()}
    return made | {folder / "LICENCES.txt": licences().encode()}


def _html(path: PurePosixPath, title: str, blocks: list[Block], titles: Mapping[PurePosixPath, str]) -> str:
    root = "../" * (len(path.parts) - 1)
    links = [{"text": said, "url": f"{root}{to}", "here": to == path} for to, said in titles.items()]
    scripts = [each.file for each in libraries()] + [name for name in _ASSETS if name.endswith(".js")]
    return fill(
        (_HERE / "page.html").read_text(encoding="utf-8"),
        {"title": title},
        style=f'<link rel="stylesheet" href="{root}assets/blocks.css">',
        scripts="\n".join(f'<script src="{root}assets/{name}"></script>' for name in scripts),
        data=data_script("page", flattened({"title": title, "links": links, "blocks": blocks})),
    )


def _pages(found: Gathered, board: str) -> Iterator[tuple[PurePosixPath, tuple[str, list[Block]]]]:
    yield INDEX, ("Tracks", _index(found))
    if curves := curves_blocks(found.pages):
        yield CURVES, (_CURVES_TITLE, curves)
    if found.networks:
        yield COSTS, (COSTS_TITLE, _costs(found))
    if found.reported.library.papers:
        yield REPORTED, (REPORTED_TITLE, _reported(found.reported))
    for path, page in found.pages.items():
        yield place_of(path), (page.title, track_blocks(page, board))


def _index(found: Gathered) -> list[Block]:
    said = text("One table a track: dataset, protocol, degradation. Only rows of one track compare. Scores in %.")
    if not found.pages:
        return [said, text("No records yet.")]
    rows = sorted(found.pages.items(), key=lambda item: (item[1].table is None, item[0]))
    return [
        said,
        table(
            "Tracks",
            [index_cells(page) for _, page in rows],
            main=("track", "measured", "reported"),
            links=[os.fspath(place_of(path)) for path, _ in rows],
        ),
    ]


def _costs(found: Gathered) -> list[Block]:
    blocks = [text(unmarked(COSTS_LEGEND))]
    for kind, rows in cost_tables(found.networks).items():
        blocks += [
            heading(kind),
            table(kind, rows, main=(next(iter(rows[0])), *_SEEN.get(kind, ("view",)), "MACs/clip (G)")),
        ]
    if times := latency_table(found.networks):
        blocks += [heading("Latency"), text(LATENCY), table("Latency", times, main=("network", "device", "1 clip"))]
    return blocks


def _reported(reported: Reported) -> list[Block]:
    papers = list(reported.library.papers.values())
    urls = {paper.name: paper.url for paper in papers}
    blocks = [
        text("What papers print, in %. Figures of a track are on its page."),
        table(
            "Papers",
            [paper_cells(paper) for paper in papers],
            main=("paper", "title"),
            opens=[{"sources": [{"text": paper.citation, "url": paper.url}], "notes": []} for paper in papers],
        ),
        heading("Of no track"),
        text(" ".join(OPEN.split())),
    ]
    for dataset, figures, systems in of_no_track(reported):
        rows = [open_cells(figure) for figure in figures] + [unseen_cells(system) for system in systems]
        opens: list[Block] = [
            {
                "sources": [{"text": f"{figure.paper}, {place_in(figure)}", "url": urls[figure.paper]}],
                "notes": open_notes(figure),
            }
            for figure in figures
        ]
        opens += [
            {"sources": [{"text": system.origin, "url": system.url}], "notes": [system.note] if system.note else []}
            for system in systems
        ]
        title = dataset or ELSEWHERE
        blocks += [
            heading(title, 3),
            table(f"Reported: {title}", rows, main=("system", "score", "reported"), opens=opens),
        ]
    return blocks
