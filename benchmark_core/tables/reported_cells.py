"""Format the cells of tables of reported figures as plain text, which the Markdown and the site share."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark_core.papers.reported import Figure, Paper, System
from benchmark_core.tables.cells import NOTHING, spread
from benchmark_core.tables.reported import FigureRow, ReportedFigures, notes_of

OTHER_DATASETS = "Other or unknown datasets"
ORACLE = "Oracle (evaluated at full resolution)"


def figure_cells(figure_row: FigureRow) -> dict[str, str]:
    """Return the cells of a figure next to its measured score, without notes and sources."""
    first = figure_row.first
    return {
        "system": first.system,
        "backbone": first.backbone or NOTHING,
        "modality": first.modality or NOTHING,
        "score": first.metric,
        "reported": f"{first.value:.2f}",
        "measured": _measured(figure_row),
        "difference": NOTHING if figure_row.difference is None else f"{figure_row.difference:+.2f}",
    }


def _measured(figure_row: FigureRow) -> str:
    if figure_row.measured is None or figure_row.row is None:
        return NOTHING
    seeds = len(figure_row.row.seeds)
    of = f"{'1 seed' if seeds == 1 else f'{seeds} seeds'}, {figure_row.row.first['plan']['method']}"
    return f"{spread(figure_row.measured)} ({of})"


def untracked_cells(figure: Figure) -> dict[str, str]:
    """Return the cells of a figure without a track."""
    return {
        "system": figure.system,
        "protocol": figure.protocol or NOTHING,
        "low views (HxW)": figure.degradation or NOTHING,
        "backbone": figure.backbone or NOTHING,
        "modality": figure.modality or NOTHING,
        "score": figure.metric,
        "reported": f"{figure.value:.2f}",
    }


def untracked_notes(figure: Figure) -> list[str]:
    """Return the notes of a figure without a track."""
    return [*(["oracle: evaluated at full resolution"] if figure.ceiling else []), *notes_of(figure)]


def unreported_cells(system: System) -> dict[str, str]:
    """Return the cells of a system without a figure, with the columns of `untracked_cells`."""
    empty = dict.fromkeys(("protocol", "low views (HxW)", "backbone", "modality", "score", "reported"), NOTHING)
    return {"system": system.system, **empty}


def paper_cells(paper: Paper) -> dict[str, str]:
    """Return the cells of a paper in the list of papers."""
    return {
        "paper": paper.name,
        "title": paper.title,
        "figures": str(len(paper.figures)),
        "systems without figures": str(len(paper.systems)),
        "citation": paper.citation,
    }


def source_in_paper(figure: Figure) -> str:
    """Return the figure's position in its paper: `Table IV, SAT, Resnet-34`."""
    return ", ".join((figure.table, figure.row, figure.column))


def untracked_figures(reported: ReportedFigures) -> Iterator[tuple[str, list[Figure], list[System]]]:
    """Yield (dataset, figures without a track, systems without a figure) per dataset; the unknown dataset "" is last.

    Figures are sorted best first, oracles last.
    """
    datasets = {figure.dataset for figure in reported.untracked}
    for dataset in sorted(datasets.union(*(system.datasets for system in reported.systems)) - {""}):
        figures = [figure for figure in reported.untracked if figure.dataset == dataset]
        best_first = sorted(figures, key=lambda figure: (figure.ceiling, -figure.value, figure.id))
        yield dataset, best_first, [system for system in reported.systems if dataset in system.datasets]
    costs = [figure for figure in reported.untracked if not figure.dataset]
    if (rest := [system for system in reported.systems if not system.datasets]) or costs:
        yield "", costs, rest
