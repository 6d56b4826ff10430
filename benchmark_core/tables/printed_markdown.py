"""Reported figures as Markdown: those of a track beside what was measured, and the page of all that are of none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from benchmark_core.reported import Figure, Paper, System
from benchmark_core.tables.cells import NOTHING, link, literal, spread
from benchmark_core.tables.grid import grid
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed import Printed, Reported, notes_of

LEGEND = """\
*Reported*: as the paper prints it. *Measured*, over so many seeds: the same system (method, backbone, modality) by this
project, at budget `paper` with none of its numbers changed; initial weights may be others, see the row. *Difference*:
measured − reported, in points. `-`: not said, or not measured."""

OPEN = """\
Figures whose paper does not say the folds or how low views are made, so that they are of no track here; and systems
that are known of, whose figures were not seen."""


class Footnotes:
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
    footnotes = Footnotes()
    competitors = [line for line in page.printed if not line.first.ceiling]
    ceilings = [line for line in page.printed if line.first.ceiling]
    parts = ["## Reported by papers"]
    for heading, lines in (("", competitors), ("### Ceilings (seen at full resolution)", ceilings)):
        if lines:
            parts += [heading] if heading else []
            parts.append(grid([_beside(line, page.urls, footnotes) for line in lines]))
    return [*parts, LEGEND, *footnotes.text()]


def _beside(line: Printed, urls: Mapping[str, str], footnotes: Footnotes) -> dict[str, str]:
    first = line.first
    return {
        "system": literal(first.system),
        "backbone": literal(first.backbone or NOTHING),
        "modality": literal(first.modality or NOTHING),
        "score": literal(first.metric),
        "reported": f"{first.value:.2f}",
        "measured": _measured(line),
        "difference": NOTHING if line.difference is None else f"{line.difference:+.2f}",
        "notes": footnotes.of(line.notes),
        "source": _sources(line.figures, urls),
    }


def _measured(line: Printed) -> str:
    if line.measured is None or line.row is None:
        return NOTHING
    seeds = len(line.row.seeds)
    of = f"{'1 seed' if seeds == 1 else f'{seeds} seeds'}, {line.row.first['plan']['method']}"
    return f"{spread(line.measured)} ({literal(of)})"


def _sources(figures: Sequence[Figure], urls: Mapping[str, str]) -> str:
    """`cstat-2021, Table IV, SAT, Resnet-34`, the paper's name leading to it."""
    return "; ".join(
        f"{link(figure.paper, urls[figure.paper])}, {literal(', '.join((figure.table, figure.row, figure.column)))}"
        for figure in figures
    )


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
    footnotes = Footnotes()
    parts += ["## Of no track", OPEN]
    datasets = {figure.dataset for figure in reported.elsewhere}
    for dataset in sorted(datasets.union(*(system.datasets for system in reported.systems))):
        here = [figure for figure in reported.elsewhere if figure.dataset == dataset]
        rows = [_open(figure, urls, footnotes) for figure in _best_first(here)]
        rows += [_unseen(system, footnotes) for system in reported.systems if dataset in system.datasets]
        parts += [f"### {literal(dataset)}", grid(rows)]
    if rest := [_unseen(system, footnotes) for system in reported.systems if not system.datasets]:
        parts += ["### Of other datasets, or not known of which", grid(rest)]
    return "\n\n".join([*parts, *footnotes.text()]) + "\n"


def _paper(paper: Paper) -> dict[str, str]:
    return {
        "paper": link(paper.name, paper.url),
        "title": literal(paper.title),
        "figures": str(len(paper.figures)),
        "systems without": str(len(paper.systems)),
        "citation": literal(paper.citation),
    }


def _best_first(figures: Iterable[Figure]) -> list[Figure]:
    return sorted(figures, key=lambda figure: (figure.ceiling, -figure.value, figure.id))


def _open(figure: Figure, urls: Mapping[str, str], footnotes: Footnotes) -> dict[str, str]:
    said = ["seen at full resolution, a ceiling"] if figure.ceiling else []
    return {
        "system": literal(figure.system),
        "protocol": literal(figure.protocol or NOTHING),
        "low views": literal(figure.degradation or NOTHING),
        "backbone": literal(figure.backbone or NOTHING),
        "modality": literal(figure.modality or NOTHING),
        "score": literal(figure.metric),
        "reported": f"{figure.value:.2f}",
        "notes": footnotes.of([*said, *notes_of(figure)]),
        "source": _sources([figure], urls),
    }


def _unseen(system: System, footnotes: Footnotes) -> dict[str, str]:
    empty = dict.fromkeys(("protocol", "low views", "backbone", "modality", "score", "reported"), NOTHING)
    notes = footnotes.of([system.note] if system.note else [])
    return {"system": literal(system.system), **empty, "notes": notes, "source": link(system.origin, system.url)}
