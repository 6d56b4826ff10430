"""Front page: what the leaderboards are, how recent they are, which rows lead, and the list of tracks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.cells import NOTHING, names, percent, spread
from benchmark_core.tables.gather import Leaderboard, TrackPage
from benchmark_core.tables.ranking import TrackTable, paired
from benchmark_core.tables.track_cells import (
    NOTHING_MEASURED,
    REPORTED_ONLY,
    REPORTED_ONLY_LEGEND,
    index_cells,
    leader,
    most_frequent,
    reported_only_cells,
    signed,
)
from elrbench_plugins.commands.site.blocks import Block, heading, table, text
from elrbench_plugins.commands.site.track import page_path, plain_text

_ABOUT = """\
elrbench compares methods that recognise human actions in extreme-low-resolution video, about a dozen pixels across. A
track is a dataset, a protocol and a degradation; scores can be compared only within one track. Every measured score
comes from the published record of a run. Figures that papers report are in columns of their own."""
_LEADING = """\
Rows on rank 1 of each track. Rows that share rank 1 are not significantly different from the first of them. The lead is
the paired difference of the first from the best row on a lower rank, in points, with its 95 % interval; if no row is,
from the best unranked one. A track has no leader if the best score is not ranked, for example because it has one seed
and other rows have several."""
_NEAR_CHANCE = """\
The interval of the best ranked score reaches down to the score of always choosing the most frequent class. These tracks
show that the code runs, not that a method works."""


def index_blocks(board: Leaderboard) -> list[Block]:
    """Return the blocks of the front page."""
    tracks = sorted(board.pages.items())
    measured = [item for item in tracks if item[1].table]
    chance = [item for item in measured if item[1].table and _near_chance(item[1].table)]
    above = [item for item in measured if item not in chance]
    reported = [item for item in tracks if not item[1].table]
    said = dict.fromkeys(note for page in board.pages.values() for note in page.notes)
    return [
        text(_one_paragraph(_ABOUT), _date(board)),
        *_leading(board),
        *([heading("Tracks"), _tracks("Tracks", above)] if above else []),
        *([heading("Tracks near chance"), text(_one_paragraph(_NEAR_CHANCE))] if chance else []),
        *([_tracks("Tracks near chance", chance)] if chance else []),
        *([heading(REPORTED_ONLY), text(REPORTED_ONLY_LEGEND), _reported(reported)] if reported else []),
        *([text(*said)] if said else []),
    ]


def _tracks(name: str, tracks: Sequence[tuple[PurePosixPath, TrackPage]]) -> Block:
    """Return a table of measured tracks."""
    return table(
        name,
        [index_cells(page) for _, page in tracks],
        main=("track", "measured", "reported"),
        links=[os.fspath(page_path(path)) for path, _ in tracks],
    )


def _reported(tracks: Sequence[tuple[PurePosixPath, TrackPage]]) -> Block:
    """Return a table of tracks that only papers report on."""
    return table(
        REPORTED_ONLY,
        [reported_only_cells(page) for _, page in tracks],
        main=("track", "reported"),
        links=[os.fspath(page_path(path)) for path, _ in tracks],
    )


def _near_chance(track: TrackTable) -> bool:
    """Whether the best ranked score is not clearly above always choosing the most frequent class."""
    first = leader(track)
    guess = most_frequent(track)
    return first is not None and first.score is not None and guess > 0 and first.score.low <= guess


def _lead(track: TrackTable) -> str:
    """Return `+17.12 (+10.51 to +23.61) over hof-svm`: the first row against the best one on a lower rank.

    If none has a lower rank, against the best unranked one, which has fewer seeds.
    """
    first = leader(track)
    others = [ranked for ranked in track.competitors if ranked.score and ranked.rank != 1]
    second = next((ranked for ranked in others if ranked.rank), others[0] if others else None)
    found = paired(first.row, second.row) if first and second else None
    return f"{signed(found)} over {names(second)['method']}" if found and second else NOTHING


def _date(board: Leaderboard) -> str:
    """Return the number of runs and the date of the latest. The build date is not used: equal records, equal bytes."""
    records = list(records_of(board))
    if not records:
        return plain_text(NOTHING_MEASURED)
    tracks = sum(page.table is not None for page in board.pages.values())
    latest = max(record["finished"] for record in records)
    runs = f"{len(records)} run{'s' if len(records) > 1 else ''} on {tracks} track{'s' if tracks > 1 else ''}"
    return f"{runs}. The latest run finished on {latest[:10]}. Scores are in %."


def records_of(board: Leaderboard) -> Iterator[RunRecord]:
    """Yield the records of all tracks."""
    for page in board.pages.values():
        for section in page.table.sections.values() if page.table else ():
            for ranked in section:
                yield from ranked.row.records


def _leading(board: Leaderboard) -> list[Block]:
    """Return a table of the rows on rank 1 of each track; empty if no track has a leader."""
    rows: list[dict[str, str]] = []
    paths: list[PurePosixPath] = []
    for path, page in board.pages.items():
        if page.table is None or leader(page.table) is None or _near_chance(page.table):
            continue
        lead = _lead(page.table)
        for ranked in page.table.competitors:
            if ranked.rank != 1 or ranked.score is None:
                continue
            shown = names(ranked)
            rows.append(
                {
                    "track": page.title,
                    **{name: shown[name] for name in ("method", "backbone")},
                    "measured": spread(ranked.score),
                    "seeds": str(len(ranked.row.seeds)),
                    "95 %": f"{percent(ranked.score.low, 1)} to {percent(ranked.score.high, 1)}",
                    "lead": lead,
                    "budget": ranked.row.first["plan"]["budget"],
                }
            )
            lead = NOTHING  # of the first row of the track alone
            paths.append(page_path(path))
    if not rows:
        return []
    links = [os.fspath(path) for path in paths]
    return [
        heading("Leading rows"),
        text(_one_paragraph(_LEADING)),
        table("Leading rows", rows, main=("track", "method", "measured", "lead"), links=links),
    ]


def _one_paragraph(text: str) -> str:
    return " ".join(text.split())
