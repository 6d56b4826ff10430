"""The cells of tables of reported figures as plain text: Markdown and pages show the same."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark_core.papers.reported import Figure, Paper, System
from benchmark_core.tables.cells import NOTHING, spread
from benchmark_core.tables.printed import Printed, Reported, notes_of

ELSEWHERE = "Of other datasets, or not known of which"


def beside_cells(line: Printed) -> dict[str, str]:
    """A figure beside what was measured of the same system; notes and sources apart."""
    first = line.first
    return {
        "system": first.system,
        "backbone": first.backbone or NOTHING,
        "modality": first.modality or NOTHING,
        "score": first.metric,
        "reported": f"{first.value:.2f}",
        "measured": _measured(line),
        "difference": NOTHING if line.difference is None else f"{line.difference:+.2f}",
    }


def _measured(line: Printed) -> str:
    if line.measured is None or line.row is None:
        return NOTHING
    seeds = len(line.row.seeds)
    of = f"{'1 seed' if seeds == 1 else f'{seeds} seeds'}, {line.row.first['plan']['method']}"
    return f"{spread(line.measured)} ({of})"


def open_cells(figure: Figure) -> dict[str, str]:
    """A figure that is of no track."""
    return {
        "system": figure.system,
        "protocol": figure.protocol or NOTHING,
        "low views": figure.degradation or NOTHING,
        "backbone": figure.backbone or NOTHING,
        "modality": figure.modality or NOTHING,
        "score": figure.metric,
        "reported": f"{figure.value:.2f}",
    }


def open_notes(figure: Figure) -> list[str]:
    """What is said of a figure that is of no track."""
    return [*(["seen at full resolution, a ceiling"] if figure.ceiling else []), *notes_of(figure)]


def unseen_cells(system: System) -> dict[str, str]:
    """A system without a figure: the columns of `open_cells`, all but one empty."""
    empty = dict.fromkeys(("protocol", "low views", "backbone", "modality", "score", "reported"), NOTHING)
    return {"system": system.system, **empty}


def paper_cells(paper: Paper) -> dict[str, str]:
    """A paper's line in the list of papers."""
    return {
        "paper": paper.name,
        "title": paper.title,
        "figures": str(len(paper.figures)),
        "systems without": str(len(paper.systems)),
        "citation": paper.citation,
    }


def place_in(figure: Figure) -> str:
    """`Table IV, SAT, Resnet-34`: where in its paper it stands."""
    return ", ".join((figure.table, figure.row, figure.column))


def of_no_track(reported: Reported) -> Iterator[tuple[str, list[Figure], list[System]]]:
    """(dataset, figures, the best first and ceilings last, systems without one); of no known dataset last, as ""."""
    datasets = {figure.dataset for figure in reported.elsewhere}
    for dataset in sorted(datasets.union(*(system.datasets for system in reported.systems))):
        here = [figure for figure in reported.elsewhere if figure.dataset == dataset]
        best_first = sorted(here, key=lambda figure: (figure.ceiling, -figure.value, figure.id))
        yield dataset, best_first, [system for system in reported.systems if dataset in system.datasets]
    if rest := [system for system in reported.systems if not system.datasets]:
        yield "", [], rest
