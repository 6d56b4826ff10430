"""Reported figures as Markdown: those of a track beside what was measured, and the page of all that are of none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from benchmark_core.papers.reported import Figure, Paper, System
from benchmark_core.tables.cells import NOTHING, link, literal, marked
from benchmark_core.tables.grid import grid
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed import Printed, Reported
from benchmark_core.tables.printed_cells import (
    ELSEWHERE,
    beside_cells,
    of_no_track,
    open_cells,
    open_notes,
    paper_cells,
    place_in,
    unseen_cells,
)

TITLE = "What papers report"

LEGEND = """\
*Reported*: as the paper prints it. *Measured*, over so many seeds: the same system (method, backbone, modality) by this
project, at budget `paper` with none of its numbers changed; initial weights may be others, see the row. *Difference*:
measured − reported, in points. `-`: not said, or not measured."""

OPEN = """\
Figures whose paper does not say the folds or how low views are made, so that they are of no track here; and systems
that are known of, whose figures were not seen."""


class MarkdownFootnotes:
    """Sentences, numbered as they come; one that came before keeps its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, sentences: Iterable[str]) -> str:
        """`1, 4`"""
        found = [str(self._numbers.setdefault(text, len(self._numbers) + 1)) for text in sentences]
        return ", ".join(found) or NOTHING

    def text(self) -> list[str]:
        """As a list, where there are any."""
        lines = [f"{number}. {literal(text)}" for text, number in self._numbers.items()]
        return ["\n".join(lines)] if lines else []


def printed_section(page: Page) -> list[str]:
    """Of a track's page."""
    footnotes = MarkdownFootnotes()
    competitors = [line for line in page.printed if not line.first.ceiling]
    oracles = [line for line in page.printed if line.first.ceiling]
    parts = ["## Reported by papers"]
    for heading, lines in (("", competitors), ("### Ceilings (seen at full resolution)", oracles)):
        if lines:
            parts += [heading] if heading else []
            parts.append(grid([_beside(line, page.urls, footnotes) for line in lines]))
    return [*parts, LEGEND, *footnotes.text()]


def _beside(line: Printed, urls: Mapping[str, str], footnotes: MarkdownFootnotes) -> dict[str, str]:
    rest = {"notes": footnotes.of(line.notes), "source": _sources(line.figures, urls)}
    return marked(beside_cells(line)) | rest


def _sources(figures: Sequence[Figure], urls: Mapping[str, str]) -> str:
    """`cstat-2021, Table IV, SAT, Resnet-34`, the paper's name leading to it."""
    return "; ".join(f"{link(figure.paper, urls[figure.paper])}, {literal(place_in(figure))}" for figure in figures)


def reported_markdown(reported: Reported, pages: Iterable[PurePosixPath], mark: str) -> str:
    """The page of all papers, of the figures that are of no track, and of systems without a figure.

    pages: those with figures, beside it.
    """
    papers = list(reported.library.papers.values())
    urls = {paper.name: paper.url for paper in papers}
    parts = [mark, "# Reported figures", "What papers print, in %. All figures in one file: [CSV](reported.csv)."]
    parts.append(grid([_paper(paper) for paper in papers]))
    if shown := [f"- [{literal(str(path.with_suffix('')))}]({quote(path.as_posix())})" for path in pages]:
        parts += ["Figures of a track are on its page:", "\n".join(shown)]
    footnotes = MarkdownFootnotes()
    parts += ["## Of no track", OPEN]
    for dataset, figures, systems in of_no_track(reported):
        rows = [_open(figure, urls, footnotes) for figure in figures]
        rows += [_unseen(system, footnotes) for system in systems]
        parts += [f"### {literal(dataset) if dataset else ELSEWHERE}", grid(rows)]
    return "\n\n".join([*parts, *footnotes.text()]) + "\n"


def _paper(paper: Paper) -> dict[str, str]:
    return marked(paper_cells(paper)) | {"paper": link(paper.name, paper.url)}


def _open(figure: Figure, urls: Mapping[str, str], footnotes: MarkdownFootnotes) -> dict[str, str]:
    return marked(open_cells(figure)) | {"notes": footnotes.of(open_notes(figure)), "source": _sources([figure], urls)}


def _unseen(system: System, footnotes: MarkdownFootnotes) -> dict[str, str]:
    notes = footnotes.of([system.note] if system.note else [])
    return marked(unseen_cells(system)) | {"notes": notes, "source": link(system.origin, system.url)}
