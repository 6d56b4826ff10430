"""Group the figures that papers report by track, and match each with the measured row of the same system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import METRICS, Figure, System
from benchmark_core.records.files import track_path
from benchmark_core.tables.match_figures import PAPER, RequestedRow, matches_figure, requested_rows
from benchmark_core.tables.ranking import TrackTable
from benchmark_core.tables.rows import Interval, TableRow

Track = Mapping[str, str]  # dataset, protocol, degradation


@dataclass(frozen=True)
class FigureRow:
    """A system's figure next to its measured score.

    Attributes:
        figures: the figure, once per paper that reports it.
        row: row of the same system with the settings of its paper, if it was run.
        measured: score of `row`.
    """

    figures: tuple[Figure, ...]
    row: TableRow | None = None
    measured: Interval | None = None

    @property
    def first(self) -> Figure:
        """A figure, for the fields that all figures share."""
        return self.figures[0]

    @property
    def difference(self) -> float | None:
        """Measured − reported in points; None if nothing was measured."""
        return None if self.measured is None else 100 * self.measured.mean - self.first.value

    @property
    def notes(self) -> tuple[str, ...]:
        """Distinct notes of the figures."""
        return tuple(dict.fromkeys(note for figure in self.figures for note in notes_of(figure)))


def notes_of(figure: Figure) -> list[str]:
    """Return the origin of the system, if another paper proposed it, and the notes prefixed with their paper."""
    origin = [f"system of {figure.origin}"] if figure.origin else []
    return origin + [f"{figure.paper}: {note}" for note in figure.notes]


@dataclass(frozen=True)
class ReportedFigures:
    """Figures of all papers.

    Attributes:
        library: the papers.
        tracks: names and figures of each track, by path.
        untracked: figures whose paper leaves dataset, protocol or degradation open.
        systems: systems without a figure.
        problems: one line for each figure that was left out.
    """

    library: Library
    tracks: Mapping[PurePosixPath, tuple[Track, tuple[Figure, ...]]]
    untracked: tuple[Figure, ...]
    systems: tuple[System, ...]
    problems: tuple[str, ...]


def group_by_track(library: Library) -> ReportedFigures:
    """Group figures by track. A figure has a track if its paper gives dataset, protocol and degradation."""
    tracks: dict[PurePosixPath, tuple[Track, list[Figure]]] = {}
    untracked: list[Figure] = []
    problems: list[str] = []
    for figure in (figure for paper in library.papers.values() for figure in paper.figures.values()):
        track = track_of(figure)
        if track is None:
            untracked.append(figure)
            continue
        try:
            path = track_path(track)
        except ElrError as error:
            problems.append(f"reported figure {figure.id}: {error}")
            continue
        named, figures = tracks.setdefault(path, (track, []))
        if named == track:
            figures.append(figure)
        else:
            problems.append(f"reported figures {figure.id} and {figures[0].id} are of two tracks with one file name")
    return ReportedFigures(
        library=library,
        tracks={path: (track, tuple(figures)) for path, (track, figures) in tracks.items()},
        untracked=tuple(untracked),
        systems=tuple(system for paper in library.papers.values() for system in paper.systems.values()),
        problems=tuple(problems),
    )


def track_of(figure: Figure) -> Track | None:
    """Return the names of the figure's track; None if the paper leaves one open."""
    parts = {
        "dataset": figure.dataset,
        "protocol": figure.protocol,
        "degradation": figure.track or figure.degradation,
    }
    return parts if all(parts.values()) else None


class FigureMatcher:
    """Match reported figures with measured rows. Suites are read once, when a row first needs them."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._requested: Mapping[str, Sequence[RequestedRow]] | None = None

    def rows(self, figures: Iterable[Figure], table: TrackTable | None) -> tuple[FigureRow, ...]:
        """Return the rows of one track's table of reported figures.

        Rows are sorted by score name, then best first; oracles are last. Papers that report the same figure share a
        row. A system that was measured with two settings has two rows.
        """
        measured = [ranked.row for ranked in (*table.competitors, *table.oracles) if ranked.score] if table else []
        groups: dict[tuple[object, ...], list[tuple[Figure, TableRow | None]]] = {}
        for figure in figures:
            matching: list[TableRow | None] = [*self._matching(figure, measured)]
            for row in matching or [None]:
                of = (figure.system, figure.backbone, figure.modality, figure.metric, figure.ceiling, figure.value)
                groups.setdefault((*of, row and row.key), []).append((figure, row))
        primary = table.track["primary"] if table else ""
        return tuple(
            sorted(
                (_figure_row(tuple(figure for figure, _ in group), group[0][1]) for group in groups.values()),
                key=lambda figure_row: _order(figure_row, primary),
            )
        )

    def _matching(self, figure: Figure, rows: Sequence[TableRow]) -> list[TableRow]:
        candidates = [
            row for row in rows if row.first["plan"]["budget"] == PAPER and row.mean(figure.metric) is not None
        ]
        if not candidates:
            return []
        if self._requested is None:
            self._requested = requested_rows(self._library)
        requested = self._requested.get(figure.id, ())
        return [row for row in candidates if any(matches_figure(row, figure, each) for each in requested)]


def _figure_row(figures: tuple[Figure, ...], row: TableRow | None) -> FigureRow:
    return FigureRow(figures, row, row.interval(figures[0].metric) if row else None)


def _order(figure_row: FigureRow, primary: str) -> tuple[object, ...]:
    first = figure_row.first
    return (
        first.ceiling,
        first.metric != primary,
        METRICS.index(first.metric),
        -first.value,
        first.system,
        figure_row.row.key if figure_row.row else "",
    )
