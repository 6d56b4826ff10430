"""Tables as files: made, written, or checked against what is there. Everything under `tables/` is made here."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError
from benchmark_core.papers import Library, load_library
from benchmark_core.records.files import TABLES, track_path
from benchmark_core.records.record import RunRecord
from benchmark_core.tables.costs import Network, costs_csv, costs_markdown, latency_csv, networks
from benchmark_core.tables.csvfile import printed_csv, reported_csv, track_csv
from benchmark_core.tables.lines import TrackTable, track_table
from benchmark_core.tables.load import load_board
from benchmark_core.tables.markdown import MARK, index_markdown, track_markdown
from benchmark_core.tables.page import Page
from benchmark_core.tables.printed import Beside, Reported, Track, sort_figures
from benchmark_core.tables.printed_markdown import reported_markdown


@dataclass(frozen=True)
class Tables:
    """Texts by path, and a line for each record that was left out: where there are any, the caller's exit code is 1."""

    files: dict[Path, str]
    problems: tuple[str, ...]


def build_tables(leaderboards: Path, library: Library | None = None) -> Tables:
    """One Markdown and one CSV text a track, and pages of costs, of reported figures, and of all; writes nothing.

    library: whose reported figures stand beside the measured ones; by default of all installed papers.
    Raises ElrError where there is no such folder.
    """
    if not leaderboards.is_dir():
        raise ElrError(f"there is no folder {leaderboards}; name the one that holds records/")
    problems: list[str] = []
    board = load_board(leaderboards)
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
    return Tables(_texts(leaderboards / TABLES, pages, reported, networks(board.costs)), tuple(problems))


def _pages(
    made: Mapping[PurePosixPath, TrackTable], reported: Reported, problems: list[str]
) -> dict[PurePosixPath, Page]:
    """Of every track that has records or figures, by the path of its Markdown."""
    beside = Beside(reported.library)
    urls = {paper.name: paper.url for paper in reported.library.papers.values()}
    pages = {}
    for path in sorted({*made, *reported.tracks}):
        table = made.get(path)
        measured = _track_of(table.track) if table else None
        track, figures = reported.tracks.get(path, (measured or {}, ()))
        if measured is not None and measured != track:
            problems.append(f"reported figure {figures[0].id} is of a track whose file would be that of {measured}")
            track, figures = measured, ()
        pages[path.with_name(f"{path.name}.md")] = Page(track, table, beside.lines(figures, table), urls)
    return pages


def _track_of(record: RunRecord) -> Track:
    track = record["track"]
    return {"dataset": track["dataset"], "protocol": track["protocol"], "degradation": track["degradation"]}


def _texts(
    folder: Path, pages: Mapping[PurePosixPath, Page], reported: Reported, found: list[Network]
) -> dict[Path, str]:
    others = {"costs.md": "What networks cost"} if found else {}
    others |= {"reported.md": "What papers report"} if reported.library.papers else {}
    files = {folder / "README.md": index_markdown(pages, others)}
    for path, page in pages.items():
        stem = path.name.removesuffix(".md")
        files[folder / path] = track_markdown(page, root="../" * len(path.parts))
        if page.table:
            files[folder / path.with_name(f"{stem}.csv")] = track_csv(page.table)
        if page.printed:
            files[folder / path.with_name(f"{stem}.reported.csv")] = printed_csv(page.printed)
    if found:
        files[folder / "costs.md"] = costs_markdown(found, MARK)
        files[folder / "costs.csv"] = costs_csv(found)
        if times := latency_csv(found):
            files[folder / "latency.csv"] = times
    if reported.library.papers:
        shown = [path for path, page in pages.items() if page.printed]
        files[folder / "reported.md"] = reported_markdown(reported, shown, MARK)
        files[folder / "reported.csv"] = reported_csv(reported)
    return files


def _at_odds(one: RunRecord, other: RunRecord) -> str:
    """What keeps two records out of one table although their tracks' names, as files, are the same; "" if nothing."""
    ours, theirs = ({**record["track"], "primary score": record["primary"]} for record in (one, other))
    return ", ".join(part for part in sorted({*ours, *theirs}) if ours.get(part) != theirs.get(part))


def write_tables(leaderboards: Path, tables: Tables | None = None) -> list[Path]:
    """Writes what changed, and removes tables of tracks that are gone; the paths of both."""
    tables = tables or build_tables(leaderboards)
    stale = {path for path, text in tables.files.items() if _text(path) != text}
    orphans = _orphans(leaderboards, tables)
    for path in sorted(stale):
        write_whole(path, tables.files[path].encode())
    for path in orphans:
        path.unlink()
    return sorted(stale | set(orphans))


def check_tables(leaderboards: Path, tables: Tables | None = None) -> list[str]:
    """How the files differ from what the records make: a diff for each file, a line for each bad record; [] if none."""
    tables = tables or build_tables(leaderboards)
    lines = [f"left out: {problem}" for problem in tables.problems]
    for path in sorted([*tables.files, *_orphans(leaderboards, tables)]):
        name = path.relative_to(leaderboards).as_posix()
        there, due = _text(path), tables.files.get(path)
        if there != due:
            lines += difflib.unified_diff(
                (there or "").splitlines(),
                (due or "").splitlines(),
                fromfile=f"{name} (there)" if there is not None else f"{name} (missing)",
                tofile=f"{name} (from the records)" if due is not None else f"{name} (no records make it)",
                lineterm="",
                n=1,
            )
    return lines


def _text(path: Path) -> str | None:
    """With line ends as Python reads them: a checkout that turned them around is not stale."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError:
        return ""


def _orphans(leaderboards: Path, tables: Tables) -> list[Path]:
    found = (path for kind in ("*.md", "*.csv") for path in (leaderboards / TABLES).rglob(kind))
    return sorted(path for path in found if path not in tables.files)
