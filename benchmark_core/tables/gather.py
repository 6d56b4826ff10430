"""What there is to show, of records, costs and papers: tracks with their lines, networks, figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_core.errors import ElrError
from benchmark_core.papers.collection import Library, load_library
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, TABLES, track_path
from benchmark_core.tables.costs import CostedNetwork, networks
from benchmark_core.tables.load import load_board
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed import MeasuredNextTo, Reported, Track, sort_figures
from benchmark_core.tables.ranking import TrackTable, track_table


@dataclass(frozen=True)
class Gathered:
    """Pages of tracks by DATASET/PROTOCOL/DEGRADATION, and a line for each thing that was left out."""

    pages: Mapping[PurePosixPath, Page]
    reported: Reported
    networks: list[CostedNetwork]
    problems: tuple[str, ...]


def gather(leaderboards: Path, library: Library | None = None, *, whole: bool = False) -> Gathered:
    """Reads all of `leaderboards`; writes nothing.

    library: whose reported figures stand beside the measured ones; by default of all installed papers. whole: keeps
    all that records hold, also what no table shows. Raises ElrError where there is no such folder.
    """
    if not leaderboards.is_dir():
        raise ElrError(f"there is no folder {leaderboards}; name the one that holds records/")
    if (leaderboards / TABLES).is_dir() and not any((leaderboards / each).is_dir() for each in (RECORDS, COSTS)):
        raise ElrError(f"{leaderboards} has {TABLES}/ and no {RECORDS}/: those were not made here; name another folder")
    problems: list[str] = []
    board = load_board(leaderboards, whole=whole)
    problems += board.problems
    reported = sort_figures(load_library(problems=problems) if library is None else library)
    problems += reported.problems
    tracks: dict[PurePosixPath, list[RunRecord]] = {}
    for record in board.runs:
        of_track = tracks.setdefault(track_path(record["track"]), [])
        odd = _at_odds(of_track[0], record) if of_track else ""
        if odd:
            problems.append(f"{record['digest']} differs in {odd} from {of_track[0]['digest']}, of a track of one name")
        else:
            of_track.append(record)
    made = {path: track_table(records, board.costs) for path, records in sorted(tracks.items())}
    pages = _pages(made, reported, problems)
    return Gathered(pages, reported, networks(board.costs), tuple(problems))


def _pages(
    made: Mapping[PurePosixPath, TrackTable], reported: Reported, problems: list[str]
) -> dict[PurePosixPath, Page]:
    """Of every track that has records or figures."""
    beside = MeasuredNextTo(reported.library)
    urls = {paper.name: paper.url for paper in reported.library.papers.values()}
    pages = {}
    for path in sorted({*made, *reported.tracks}):
        table = made.get(path)
        measured = _track_of(table.track) if table else None
        track, figures = reported.tracks.get(path, (measured or {}, ()))
        if measured is not None and measured != track:
            problems.append(f"reported figure {figures[0].id} is of a track whose file would be that of {measured}")
            track, figures = measured, ()
        pages[path] = Page(track, table, beside.lines(figures, table), urls)
    return pages


def _track_of(record: RunRecord) -> Track:
    track = record["track"]
    return {"dataset": track["dataset"], "protocol": track["protocol"], "degradation": track["degradation"]}


def _at_odds(one: RunRecord, other: RunRecord) -> str:
    """What keeps two records out of one table although their tracks' names, as files, are the same; "" if nothing."""
    ours, theirs = ({**record["track"], "primary score": record["primary"]} for record in (one, other))
    return ", ".join(part for part in sorted({*ours, *theirs}) if ours.get(part) != theirs.get(part))
