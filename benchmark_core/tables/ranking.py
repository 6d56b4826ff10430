"""Rows in their order, with what a table says beside each: rank, gain over the control, cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark_core.errors import ElrError
from benchmark_core.records.clip_results import clips_of
from benchmark_core.records.cost_record import CostRecord
from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.compare import Comparison, compare_groups
from benchmark_core.tables.rows import Interval, TableRow, fold_rows, matched_control


@dataclass(frozen=True)
class RankedRow:
    """One line of a table. `rank`, `score` and `gain` are None where there is nothing honest to say.

    matched: the control that it is to be held against; `gain` is the paired difference from it.
    """

    row: TableRow
    score: Interval | None
    gain: Comparison | None
    costs: Sequence[CostRecord]
    rank: int | None = None
    matched: TableRow | None = None


@dataclass(frozen=True)
class TrackTable:
    """One track's lines: competitors, some of them unranked; privileged ceilings; and other clips' rows."""

    track: RunRecord  # any record of it
    manifest: str
    records: int
    competitors: tuple[RankedRow, ...]
    oracles: tuple[RankedRow, ...]
    elsewhere: tuple[RankedRow, ...]

    @property
    def parts(self) -> Mapping[str, tuple[RankedRow, ...]]:
        """By the name that the CSV gives them."""
        return {"ranked": self.competitors, "ceiling": self.oracles, "other clips": self.elsewhere}


def track_table(records: Sequence[RunRecord], costs: Mapping[str, tuple[CostRecord, ...]]) -> TrackTable:
    """The table of one track's records.

    Rows are ranked on the clips that most records were scored on (of equally many, the first manifest by name); rows
    scored on others are shown apart.
    """
    seen = Counter(clips_of(record) for record in records)
    manifest = min(seen, key=lambda name: (-seen[name], name))
    rows = fold_rows(records)
    lines = sorted((_line(row, rows, costs) for row in rows), key=_order)
    here = [line for line in lines if clips_of(line.row.first) == manifest]
    return TrackTable(
        track=records[0],
        manifest=manifest,
        records=len(records),
        competitors=tuple(ranked(line for line in here if not line.row.first["privileged"])),
        oracles=tuple(line for line in here if line.row.first["privileged"]),
        elsewhere=tuple(line for line in lines if clips_of(line.row.first) != manifest),
    )


def _line(row: TableRow, rows: Sequence[TableRow], costs: Mapping[str, tuple[CostRecord, ...]]) -> RankedRow:
    score = row.interval(row.first["primary"]) if row.seeds else None
    control = matched_control(row, rows)
    gain = _paired(row, control) if control else None
    return RankedRow(row, score, gain, costs.get(row.first["structure"], ()), matched=control)


def _order(line: RankedRow) -> tuple[float, str, str]:
    """Best first, rows without a score last."""
    return (-line.score.mean if line.score else 1.0, line.row.first["plan"]["method"], line.row.key)


def ranked(lines: Iterable[RankedRow]) -> list[RankedRow]:
    """Lines in order with ranks 1, 2, 2, 4, …; a rank is shared with its first line where nothing parts the two.

    With that one and not with the line above, or a chain of near lines would all be first. A line of one seed has none
    where another has several: its mean may be luck that theirs have averaged away.
    """
    lines = list(lines)
    several = any(len(line.row.seeds) > 1 for line in lines)
    out: list[RankedRow] = []
    first: RankedRow | None = None  # of the rank
    count = 0
    for line in lines:
        if line.score is None or (several and len(line.row.seeds) == 1):
            out.append(line)
            continue
        count += 1
        if first is None or _parted(first, line):
            first = line = replace(line, rank=count)
        out.append(replace(line, rank=first.rank))
    return out


def _parted(above: RankedRow, line: RankedRow) -> bool:
    """By the paired interval where their seeds pair, if it says the same as their means; else by their values."""
    paired = _paired(above.row, line.row)
    if paired is not None:
        return paired.difference.low > 0
    return above.score is None or line.score is None or above.score.mean != line.score.mean


def _paired(row: TableRow, other: TableRow) -> Comparison | None:
    if not row.seeds or not other.seeds:
        return None
    try:
        return compare_groups(row.scored, other.scored)
    except ElrError:  # no seed in common, or no answers in the records: there is no paired difference to show
        return None
