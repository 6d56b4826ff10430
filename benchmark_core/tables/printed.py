"""Figures that papers print, track by track, each beside what was measured of the same system."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library
from benchmark_core.papers.reported import METRICS, Figure, System
from benchmark_core.records.files import track_path
from benchmark_core.tables.match_figures import PAPER, RequestedRow, asked_by_suites, is_of
from benchmark_core.tables.ranking import TrackTable
from benchmark_core.tables.rows import Interval, TableRow

Track = Mapping[str, str]  # dataset, protocol, degradation


@dataclass(frozen=True)
class Printed:
    """A system's figure, of one paper or of several that print the same.

    row, measured: where the same system was run with the paper's own numbers.
    """

    figures: tuple[Figure, ...]
    row: TableRow | None = None
    measured: Interval | None = None

    @property
    def first(self) -> Figure:
        """What the figures have in common is read from it."""
        return self.figures[0]

    @property
    def difference(self) -> float | None:
        """Measured − reported, in points; None where nothing was measured."""
        return None if self.measured is None else 100 * self.measured.mean - self.first.value

    @property
    def notes(self) -> tuple[str, ...]:
        """Whose system it is where a paper prints another's, and what papers' own notes say."""
        return tuple(dict.fromkeys(note for figure in self.figures for note in notes_of(figure)))


def notes_of(figure: Figure) -> list[str]:
    """Each with the paper whose figure it is of: notes speak of its own tables."""
    whose = [f"system of {figure.origin}"] if figure.origin else []
    return whose + [f"{figure.paper}: {note}" for note in figure.notes]


@dataclass(frozen=True)
class Reported:
    """All papers' figures: those of a track by its path, those that are of none, and systems without a figure."""

    library: Library
    tracks: Mapping[PurePosixPath, tuple[Track, tuple[Figure, ...]]]
    elsewhere: tuple[Figure, ...]
    systems: tuple[System, ...]
    problems: tuple[str, ...]


def sort_figures(library: Library) -> Reported:
    """A figure is of a track where its paper says dataset, protocol and degradation."""
    tracks: dict[PurePosixPath, tuple[Track, list[Figure]]] = {}
    elsewhere: list[Figure] = []
    problems: list[str] = []
    for figure in (figure for paper in library.papers.values() for figure in paper.figures.values()):
        track = track_of(figure)
        if track is None:
            elsewhere.append(figure)
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
            problems.append(f"reported figure {figure.id} is of a track whose file would be that of {figures[0].id}")
    return Reported(
        library=library,
        tracks={path: (track, tuple(figures)) for path, (track, figures) in tracks.items()},
        elsewhere=tuple(elsewhere),
        systems=tuple(system for paper in library.papers.values() for system in paper.systems.values()),
        problems=tuple(problems),
    )


def track_of(figure: Figure) -> Track | None:
    """Its names, as tables have them; None where the paper leaves one open."""
    parts = {
        "dataset": figure.dataset,
        "protocol": figure.protocol,
        "degradation": figure.track or figure.degradation,
    }
    return parts if all(parts.values()) else None


class MeasuredNextTo:
    """Figures beside rows. What suites say is read once, and where any row is at a paper's numbers."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._asked: Mapping[str, Sequence[RequestedRow]] | None = None

    def lines(self, figures: Iterable[Figure], table: TrackTable | None) -> tuple[Printed, ...]:
        """Best first, score by score, ceilings last. A system that was measured twice has two lines."""
        rows = [line.row for line in (*table.competitors, *table.oracles) if line.score] if table else []
        groups: dict[tuple[object, ...], list[tuple[Figure, TableRow | None]]] = {}
        for figure in figures:
            measured: list[TableRow | None] = [*self._rows_of(figure, rows)]
            for row in measured or [None]:
                of = (figure.system, figure.backbone, figure.modality, figure.metric, figure.ceiling, figure.value)
                groups.setdefault((*of, row and row.key), []).append((figure, row))
        primary = table.track["primary"] if table else ""
        return tuple(
            sorted(
                (_printed(tuple(figure for figure, _ in group), group[0][1]) for group in groups.values()),
                key=lambda line: _order(line, primary),
            )
        )

    def _rows_of(self, figure: Figure, rows: Sequence[TableRow]) -> list[TableRow]:
        able = [row for row in rows if row.first["plan"]["budget"] == PAPER and row.mean(figure.metric) is not None]
        if not able:
            return []
        if self._asked is None:
            self._asked = asked_by_suites(self._library)
        return [row for row in able if any(is_of(row, figure, asked) for asked in self._asked.get(figure.id, ()))]


def _printed(figures: tuple[Figure, ...], row: TableRow | None) -> Printed:
    return Printed(figures, row, row.interval(figures[0].metric) if row else None)


def _order(line: Printed, primary: str) -> tuple[object, ...]:
    first = line.first
    return (
        first.ceiling,
        first.metric != primary,
        METRICS.index(first.metric),
        -first.value,
        first.system,
        line.row.key if line.row else "",
    )
