"""Collect what the tables show: one page per track, the costs of networks, and the figures of papers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library, load_library
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, TABLES, track_path
from benchmark_core.tables.costs import CostedNetwork, networks
from benchmark_core.tables.load import load_leaderboard
from benchmark_core.tables.ranking import TrackTable, track_table
from benchmark_core.tables.reported import FigureMatcher, FigureRow, ReportedFigures, Track, group_by_track


@dataclass(frozen=True)
class TrackPage:
    """Content of one track's page.

    Attributes:
        track: names of dataset, protocol and degradation.
        table: measured rows, or None if the track has no records.
        figures: reported figures.
        urls: web address of each paper, by the paper's name.
        notes: what papers do not say about the degradation.
    """

    track: Track
    table: TrackTable | None
    figures: tuple[FigureRow, ...]
    urls: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`puppets · subjects · average-12x16`."""
        return " · ".join(self.track[part] for part in ("dataset", "protocol", "degradation"))


@dataclass(frozen=True)
class Leaderboard:
    """Content of all pages.

    Attributes:
        pages: track pages by DATASET/PROTOCOL/DEGRADATION.
        reported: figures of all papers.
        networks: networks with a cost record.
        problems: one line for each record or figure that was left out.
    """

    pages: Mapping[PurePosixPath, TrackPage]
    reported: ReportedFigures
    networks: list[CostedNetwork]
    problems: tuple[str, ...]

    @property
    def measured(self) -> bool:
        """Whether any track has a record of a run."""
        return any(page.table for page in self.pages.values())


def gather(leaderboards: Path, library: Library | None = None, *, whole: bool = False) -> Leaderboard:
    """Read all records, costs and figures. Nothing is written.

    Args:
        leaderboards: folder that holds `records/` and `costs/`.
        library: papers whose figures are shown next to measured scores. Default: all installed papers.
        whole: keep every field of the records, also those that no table shows.

    Raises:
        ElrError: if `leaderboards` does not exist, or holds tables but no records.
    """
    if not leaderboards.is_dir():
        raise ElrError(f"the folder {leaderboards} does not exist; pass the folder that holds {RECORDS}/")
    if (leaderboards / TABLES).is_dir() and not any((leaderboards / each).is_dir() for each in (RECORDS, COSTS)):
        raise ElrError(
            f"{leaderboards} has {TABLES}/ but no {RECORDS}/, so its tables were not made by elrbench; "
            "pass another folder"
        )
    problems: list[str] = []
    loaded = load_leaderboard(leaderboards, whole=whole)
    problems += loaded.problems
    reported = group_by_track(load_library(problems=problems) if library is None else library)
    problems += reported.problems
    tracks: dict[PurePosixPath, list[RunRecord]] = {}
    for record in loaded.runs:
        of_track = tracks.setdefault(track_path(record["track"]), [])
        conflicts = _conflicting_fields(of_track[0], record) if of_track else ""
        if conflicts:
            problems.append(
                f"{record['digest']} differs in {conflicts} from {of_track[0]['digest']}, "
                "although their tracks have the same file name"
            )
        else:
            of_track.append(record)
    tables = {path: track_table(records, loaded.costs) for path, records in sorted(tracks.items())}
    pages = _pages(tables, reported, problems)
    return Leaderboard(pages, reported, networks(loaded.costs), tuple(problems))


def _pages(
    tables: Mapping[PurePosixPath, TrackTable], reported: ReportedFigures, problems: list[str]
) -> dict[PurePosixPath, TrackPage]:
    """Return a page for every track that has records or figures."""
    matcher = FigureMatcher(reported.library)
    urls = {paper.name: paper.url for paper in reported.library.papers.values()}
    pages = {}
    for path in sorted({*tables, *reported.tracks}):
        table = tables.get(path)
        measured = _track_of(table.track) if table else None
        track, figures = reported.tracks.get(path, (measured or {}, ()))
        if measured is not None and measured != track:
            problems.append(f"reported figure {figures[0].id} is not of {measured}, a track with the same file name")
            track, figures = measured, ()
        notes = reported.library.notes_on(track["degradation"])
        pages[path] = TrackPage(track, table, matcher.rows(figures, table), urls, notes)
    return pages


def _track_of(record: RunRecord) -> Track:
    track = record["track"]
    return {"dataset": track["dataset"], "protocol": track["protocol"], "degradation": track["degradation"]}


def _conflicting_fields(one: RunRecord, other: RunRecord) -> str:
    """Name the fields that keep two records with the same track path out of one table; "" if there are none."""
    ours, theirs = ({**record["track"], "primary score": record["primary"]} for record in (one, other))
    return ", ".join(key for key in sorted({*ours, *theirs}) if ours.get(key) != theirs.get(key))
