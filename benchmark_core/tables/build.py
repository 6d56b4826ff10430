"""Build the files under `tables/`, write them, or compare them with the files on disk."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.atomic import write_whole
from benchmark_core.papers.collection import Library
from benchmark_core.records.files import TABLES
from benchmark_core.tables.costs import TITLE as COSTS_TITLE
from benchmark_core.tables.costs import costs_csv, costs_markdown, named
from benchmark_core.tables.csvfile import figures_csv, reported_csv, track_csv
from benchmark_core.tables.gather import Leaderboard, gather
from benchmark_core.tables.latency import latency_files
from benchmark_core.tables.markdown import MARK, index_markdown, track_markdown
from benchmark_core.tables.reported_markdown import TITLE as REPORTED_TITLE
from benchmark_core.tables.reported_markdown import reported_markdown


@dataclass(frozen=True)
class Tables:
    """Generated files.

    Attributes:
        files: text by path.
        problems: one line for each record that was left out. If there are any, the command exits 1.
        measured: whether there is a record of a run. If not, the tables hold figures of papers alone.
    """

    files: dict[Path, str]
    problems: tuple[str, ...]
    measured: bool


def build_tables(leaderboards: Path, library: Library | None = None) -> Tables:
    """Build the text of every table: a Markdown and a CSV file per track, costs, reported figures and the index.

    Args:
        leaderboards: folder that holds `records/` and `costs/`. Nothing is written to it.
        library: papers whose figures are shown next to measured scores. Default: all installed papers.

    Raises:
        ElrError: if `leaderboards` is not a folder of records.
    """
    board = gather(leaderboards, library)
    return Tables(_texts(leaderboards / TABLES, board), board.problems, board.measured)


def _texts(folder: Path, board: Leaderboard) -> dict[Path, str]:
    pages, reported, networks = board.pages, board.reported, board.networks
    others = {"costs.md": COSTS_TITLE} if networks else {}
    others |= {"reported.md": REPORTED_TITLE} if reported.library.papers else {}
    files = {folder / "README.md": index_markdown(pages, others)}
    for path, page in pages.items():
        files[folder / path.with_name(f"{path.name}.md")] = track_markdown(page, root="../" * len(path.parts))
        if page.table:
            files[folder / path.with_name(f"{path.name}.csv")] = track_csv(page.table)
        if page.figures:
            files[folder / path.with_name(f"{path.name}.reported.csv")] = figures_csv(page.figures)
    if networks:
        files[folder / "costs.md"] = costs_markdown(networks, MARK)
        files[folder / "costs.csv"] = costs_csv(networks)
        files |= {folder / file: times for file, times in latency_files(named(networks)).items()}
    if reported.library.papers:
        shown = [path.with_name(f"{path.name}.md") for path, page in pages.items() if page.figures]
        files[folder / "reported.md"] = reported_markdown(reported, shown, MARK)
        files[folder / "reported.csv"] = reported_csv(reported)
    return files


def write_tables(leaderboards: Path, tables: Tables | None = None) -> list[Path]:
    """Write changed tables and delete tables of tracks that no longer exist. Return the paths of both.

    Other files in the folder, which `elrbench leaderboard` did not write, are left alone.
    """
    tables = tables or build_tables(leaderboards)
    stale = {path for path, text in tables.files.items() if _text(path) != text}
    orphans = _orphans(leaderboards, tables)
    for path in sorted(stale):
        write_whole(path, tables.files[path].encode())
    for path in orphans:
        path.unlink()
    return sorted(stale | set(orphans))


def check_tables(leaderboards: Path, tables: Tables | None = None) -> list[str]:
    """Compare the files on disk with the tables that the records give.

    Returns:
        One line per unusable record and a unified diff per stale file. Empty if all tables are up to date.
    """
    tables = tables or build_tables(leaderboards)
    lines = [f"left out: {problem}" for problem in tables.problems]
    for path in sorted([*tables.files, *_orphans(leaderboards, tables)]):
        name = path.relative_to(leaderboards).as_posix()
        on_disk, expected = _text(path), tables.files.get(path)
        if on_disk != expected:
            lines += difflib.unified_diff(
                (on_disk or "").splitlines(),
                (expected or "").splitlines(),
                fromfile=f"{name} (on disk)" if on_disk is not None else f"{name} (missing)",
                tofile=f"{name} (from the records)" if expected is not None else f"{name} (no records for it)",
                lineterm="",
                n=1,
            )
    return lines


def _text(path: Path) -> str | None:
    """Read a file with universal newlines, so that a checkout with CRLF line ends is not stale."""
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else None
    except UnicodeDecodeError:
        return ""


def _orphans(leaderboards: Path, tables: Tables) -> list[Path]:
    """Return generated pages without records, and the CSV files next to them."""
    gone = [
        path
        for path in (leaderboards / TABLES).rglob("*.md")
        if path not in tables.files and (_text(path) or "").startswith(MARK)
    ]
    tables_of = (path.with_name(f"{path.stem}{ending}") for path in gone for ending in (".csv", ".reported.csv"))
    return sorted([*gone, *(path for path in tables_of if path.is_file() and path not in tables.files)])
