"""Tables as files: made, written, or checked against what is there. Everything under `tables/` is made here."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.atomic import write_whole
from benchmark_core.papers.collection import Library
from benchmark_core.records.files import TABLES
from benchmark_core.tables.costs import TITLE as COSTS_TITLE
from benchmark_core.tables.costs import costs_csv, costs_markdown, latency_csv
from benchmark_core.tables.csvfile import printed_csv, reported_csv, track_csv
from benchmark_core.tables.gather import Gathered, gather
from benchmark_core.tables.markdown import MARK, index_markdown, track_markdown
from benchmark_core.tables.printed_markdown import TITLE as REPORTED_TITLE
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
    found = gather(leaderboards, library)
    return Tables(_texts(leaderboards / TABLES, found), found.problems)


def _texts(folder: Path, gathered: Gathered) -> dict[Path, str]:
    pages, reported, found = gathered.pages, gathered.reported, gathered.networks
    others = {"costs.md": COSTS_TITLE} if found else {}
    others |= {"reported.md": REPORTED_TITLE} if reported.library.papers else {}
    files = {folder / "README.md": index_markdown(pages, others)}
    for path, page in pages.items():
        files[folder / path.with_name(f"{path.name}.md")] = track_markdown(page, root="../" * len(path.parts))
        if page.table:
            files[folder / path.with_name(f"{path.name}.csv")] = track_csv(page.table)
        if page.printed:
            files[folder / path.with_name(f"{path.name}.reported.csv")] = printed_csv(page.printed)
    if found:
        files[folder / "costs.md"] = costs_markdown(found, MARK)
        files[folder / "costs.csv"] = costs_csv(found)
        if times := latency_csv(found):
            files[folder / "latency.csv"] = times
    if reported.library.papers:
        shown = [path.with_name(f"{path.name}.md") for path, page in pages.items() if page.printed]
        files[folder / "reported.md"] = reported_markdown(reported, shown, MARK)
        files[folder / "reported.csv"] = reported_csv(reported)
    return files


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
