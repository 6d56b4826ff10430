"""Build all files of the site: front page, tracks, resolutions, privacy, costs, reported figures, and assets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath

from benchmark_core.papers.collection import Library
from benchmark_core.tables.costs import ENHANCERS, RECOGNIZERS, cost_tables, named
from benchmark_core.tables.costs import LEGEND as COSTS_LEGEND
from benchmark_core.tables.costs import TITLE as COSTS_TITLE
from benchmark_core.tables.gather import Leaderboard, gather
from benchmark_core.tables.latency import latency_tables, legend_of
from benchmark_core.tables.reported import ReportedFigures
from benchmark_core.tables.reported_cells import (
    OTHER_DATASETS,
    paper_cells,
    source_in_paper,
    unreported_cells,
    untracked_cells,
    untracked_figures,
    untracked_notes,
)
from benchmark_core.tables.reported_markdown import TITLE as REPORTED_TITLE
from benchmark_core.tables.reported_markdown import UNTRACKED, UNTRACKED_LEGEND
from elrbench_plugins.commands.site.blocks import Block, flattened, heading, table, text
from elrbench_plugins.commands.site.curves import curves_blocks
from elrbench_plugins.commands.site.front_picture import front_picture
from elrbench_plugins.commands.site.index import index_blocks, records_of
from elrbench_plugins.commands.site.privacy import privacy_blocks
from elrbench_plugins.commands.site.track import page_path, plain_text, track_blocks
from elrbench_plugins.pages.bundle import libraries, licences
from elrbench_plugins.pages.html import data_script, fill

_HERE = files("elrbench_plugins.commands.site")
_ASSETS = ("blocks.css", "show.js", "table.js", "opened.js", "plots.js", "classes.js", "blocks.js")
INDEX, CURVES, PRIVACY, COSTS, REPORTED = (
    PurePosixPath(f"{name}.html") for name in ("index", "resolutions", "privacy", "costs", "reported")
)
_MAIN = {ENHANCERS: ("from", "to"), RECOGNIZERS: ("head",)}  # columns of costs on a narrow screen
_INDEX_TITLE = "Leaderboards"
_CURVES_TITLE = "Scores by resolution"
_PRIVACY_TITLE = "Privacy"


@dataclass(frozen=True)
class Site:
    """Files of the site: content by path, and one line for each record that was left out."""

    files: Mapping[PurePosixPath, bytes]
    problems: tuple[str, ...]


def build_site(leaderboards: Path, library: Library | None = None) -> Site:
    """Build the site. Equal records give equal bytes. Nothing is written.

    Args:
        leaderboards: folder that holds `records/` and `costs/`.
        library: papers whose figures are shown next to measured scores. Default: all installed papers.

    Raises:
        ElrError: if `leaderboards` is not a folder of records.
    """
    board = gather(leaderboards, library, whole=True)
    pages = dict(_pages(board, leaderboards))
    titles = {path: title for path, (title, _) in pages.items() if path in (INDEX, CURVES, PRIVACY, COSTS, REPORTED)}
    html = {
        path: _html(path, title, blocks, titles).encode(errors="backslashreplace")
        for path, (title, blocks) in pages.items()
    }
    pictures = {
        path.with_suffix(".svg"): front_picture(block, title)
        for path, (title, blocks) in pages.items()
        for block in blocks
        if block["kind"] == "front"
    }
    return Site(html | pictures | _assets(), board.problems)


def _assets() -> dict[PurePosixPath, bytes]:
    folder = PurePosixPath("assets")
    assets = {folder / name: (_HERE / "assets" / name).read_bytes() for name in _ASSETS}
    assets |= {folder / each.file: each.content() for each in libraries()}
    return assets | {folder / "LICENCES.txt": licences().encode()}


def _html(path: PurePosixPath, title: str, blocks: list[Block], titles: Mapping[PurePosixPath, str]) -> str:
    root = "../" * (len(path.parts) - 1)
    links = [{"text": text, "url": f"{root}{to}", "here": to == path} for to, text in titles.items()]
    scripts = [each.file for each in libraries()] + [name for name in _ASSETS if name.endswith(".js")]
    return fill(
        (_HERE / "page.html").read_text(encoding="utf-8"),
        {"title": title},
        style=f'<link rel="stylesheet" href="{root}assets/blocks.css">',
        scripts="\n".join(f'<script src="{root}assets/{name}"></script>' for name in scripts),
        data=data_script("page", flattened({"title": title, "links": links, "blocks": blocks})),
    )


def _pages(board: Leaderboard, leaderboards: Path) -> Iterator[tuple[PurePosixPath, tuple[str, list[Block]]]]:
    yield INDEX, (_INDEX_TITLE, index_blocks(board))
    if curves := curves_blocks(board.pages):
        yield CURVES, (_CURVES_TITLE, curves)
    if privacy := privacy_blocks(list(records_of(board)), leaderboards):
        yield PRIVACY, (_PRIVACY_TITLE, privacy)
    if board.networks:
        yield COSTS, (COSTS_TITLE, _costs(board))
    if board.reported.library.papers:
        yield REPORTED, (REPORTED_TITLE, _reported(board.reported))
    for path, page in board.pages.items():
        yield page_path(path), (page.title, track_blocks(page, leaderboards.resolve().name))


def _costs(board: Leaderboard) -> list[Block]:
    blocks = [text(plain_text(COSTS_LEGEND))]
    for kind, rows in cost_tables(board.networks).items():
        blocks += [
            heading(kind),
            table(kind, rows, main=(next(iter(rows[0])), *_MAIN.get(kind, ("view",)), "MACs/clip (G)")),
        ]
    for title, rows in latency_tables(named(board.networks)).items():
        figure = next(name for name in rows[0] if name.endswith(" (ms)"))
        blocks += [
            heading(title),
            text(plain_text(legend_of(title))),
            table(title, rows, main=("network", "device", *(["threads"] if "threads" in rows[0] else []), figure)),
        ]
    return blocks


def _reported(reported: ReportedFigures) -> list[Block]:
    papers = list(reported.library.papers.values())
    urls = {paper.name: paper.url for paper in papers}
    blocks = [
        text("Values printed in papers; scores are in %. Figures with a track are on the track's page."),
        table(
            "Papers",
            [paper_cells(paper) for paper in papers],
            main=("paper", "title"),
            opens=[{"sources": [{"text": paper.citation, "url": paper.url}], "notes": []} for paper in papers],
        ),
        heading(UNTRACKED),
        text(" ".join(UNTRACKED_LEGEND.split())),
    ]
    for dataset, figures, systems in untracked_figures(reported):
        rows = [untracked_cells(figure) for figure in figures] + [unreported_cells(system) for system in systems]
        opens: list[Block] = [
            {
                "sources": [{"text": f"{figure.paper}, {source_in_paper(figure)}", "url": urls[figure.paper]}],
                "notes": untracked_notes(figure),
            }
            for figure in figures
        ]
        opens += [
            {"sources": [{"text": system.origin, "url": system.url}], "notes": [system.note] if system.note else []}
            for system in systems
        ]
        title = dataset or OTHER_DATASETS
        blocks += [
            heading(title, 3),
            table(f"Reported: {title}", rows, main=("system", "score", "reported"), opens=opens),
        ]
    return blocks
