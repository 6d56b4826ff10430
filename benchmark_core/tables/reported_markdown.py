"""Render reported figures as Markdown: a section of a track's page, and the page of figures without a track."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from benchmark_core.papers.reported import Figure, Paper, System
from benchmark_core.tables.cells import NOTHING
from benchmark_core.tables.gather import TrackPage
from benchmark_core.tables.markup import escape_markdown, escape_row, link, markdown_table
from benchmark_core.tables.reported import FigureRow, ReportedFigures
from benchmark_core.tables.reported_cells import (
    ORACLE,
    OTHER_DATASETS,
    figure_cells,
    paper_cells,
    source_in_paper,
    unreported_cells,
    untracked_cells,
    untracked_figures,
    untracked_notes,
)

TITLE = "What papers report"

LEGEND = """\
*Reported*: value printed in the paper. *Measured*: score of the same system (method, backbone, modality) in this
benchmark, over the given number of seeds, at budget `paper` with unchanged settings. Initial weights may differ: see
the row. *Difference*: measured − reported, in points. `-`: unknown or not measured."""

UNTRACKED = "Figures without a track"
UNTRACKED_LEGEND = """\
These figures have no track: the paper does not state the folds or how low views are made, or it quotes a system that
was measured under another protocol. Sizes of low views are height x width. The tables also list systems whose papers
were not available, without figures, and costs: billions of MACs (gmacs), millions of parameters (mparams)."""


class MarkdownFootnotes:
    """Number footnotes in order of first use. Equal texts share a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, texts: Iterable[str]) -> str:
        """Return the numbers of `texts`, adding new ones: `1, 4`."""
        found = [str(self._numbers.setdefault(text, len(self._numbers) + 1)) for text in texts]
        return ", ".join(found) or NOTHING

    def text(self) -> list[str]:
        """Return the numbered list as one Markdown block, or nothing if there are no footnotes."""
        lines = [f"{number}. {escape_markdown(text)}" for text, number in self._numbers.items()]
        return ["\n".join(lines)] if lines else []


def reported_section(page: TrackPage) -> list[str]:
    """Return the Markdown blocks for the reported figures of a track."""
    footnotes = MarkdownFootnotes()
    competitors = [figure_row for figure_row in page.figures if not figure_row.first.ceiling]
    oracles = [figure_row for figure_row in page.figures if figure_row.first.ceiling]
    parts = ["## Reported by papers"]
    for heading, rows in (("", competitors), (f"### {ORACLE}", oracles)):
        if rows:
            parts += [heading] if heading else []
            parts.append(markdown_table([_figure(figure_row, page.urls, footnotes) for figure_row in rows]))
    return [*parts, LEGEND, *footnotes.text()]


def _figure(figure_row: FigureRow, urls: Mapping[str, str], footnotes: MarkdownFootnotes) -> dict[str, str]:
    rest = {"notes": footnotes.of(figure_row.notes), "source": _sources(figure_row.figures, urls)}
    return escape_row(figure_cells(figure_row)) | rest


def _sources(figures: Sequence[Figure], urls: Mapping[str, str]) -> str:
    """Return `cstat-2021, Table IV, SAT, Resnet-34` per figure, with a link to the paper."""
    return "; ".join(
        f"{link(figure.paper, urls[figure.paper])}, {escape_markdown(source_in_paper(figure))}" for figure in figures
    )


def reported_markdown(reported: ReportedFigures, pages: Iterable[PurePosixPath], mark: str) -> str:
    """Return the page of all papers, of figures without a track and of systems without a figure.

    Args:
        reported: figures of all papers.
        pages: paths of the track pages with reported figures.
        mark: first line of the page.
    """
    papers = list(reported.library.papers.values())
    urls = {paper.name: paper.url for paper in papers}
    parts = [
        mark,
        "# Reported figures",
        "Values printed in papers; scores are in %. All figures in one file: [CSV](reported.csv).",
    ]
    parts.append(markdown_table([_paper(paper) for paper in papers]))
    if shown := [f"- [{escape_markdown(str(path.with_suffix('')))}]({quote(path.as_posix())})" for path in pages]:
        parts += ["Figures with a track are on the track's page:", "\n".join(shown)]
    footnotes = MarkdownFootnotes()
    parts += [f"## {UNTRACKED}", UNTRACKED_LEGEND]
    for dataset, figures, systems in untracked_figures(reported):
        rows = [_untracked(figure, urls, footnotes) for figure in figures]
        rows += [_unreported(system, footnotes) for system in systems]
        parts += [f"### {escape_markdown(dataset) if dataset else OTHER_DATASETS}", markdown_table(rows)]
    return "\n\n".join([*parts, *footnotes.text()]) + "\n"


def _paper(paper: Paper) -> dict[str, str]:
    return escape_row(paper_cells(paper)) | {"paper": link(paper.name, paper.url)}


def _untracked(figure: Figure, urls: Mapping[str, str], footnotes: MarkdownFootnotes) -> dict[str, str]:
    rest = {"notes": footnotes.of(untracked_notes(figure)), "source": _sources([figure], urls)}
    return escape_row(untracked_cells(figure)) | rest


def _unreported(system: System, footnotes: MarkdownFootnotes) -> dict[str, str]:
    notes = footnotes.of([system.note] if system.note else [])
    return escape_row(unreported_cells(system)) | {"notes": notes, "source": link(system.origin, system.url)}
