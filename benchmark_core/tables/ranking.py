"""Rank the rows of a track, and add the difference from the control and the cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark_core.errors import ElrError
from benchmark_core.records.clip_results import clip_list
from benchmark_core.records.cost_record import CostRecord, of_test_views
from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.compare import Comparison, compare_groups
from benchmark_core.tables.controls import control_of
from benchmark_core.tables.rows import Interval, TableRow, group_rows


@dataclass(frozen=True)
class RankedRow:
    """One row of a table.

    Attributes:
        row: the runs.
        score: primary score over complete seeds; None if no seed has all folds.
        gain: paired difference from `control`; None if the two have no seed and clips in common.
        costs: cost records of the row's network, one per device; MACs of a clip are those of all its test views.
        rank: None if the row is not ranked.
        control: the row's control (see `control_of`), if there is one.
    """

    row: TableRow
    score: Interval | None
    gain: Comparison | None
    costs: Sequence[CostRecord]
    rank: int | None = None
    control: TableRow | None = None


@dataclass(frozen=True)
class TrackTable:
    """Rows of one track.

    Attributes:
        track: any record of the track.
        manifest: digest of the clips that ranked rows were scored on.
        records: number of records.
        competitors: rows scored on low views. Incomplete rows among them have no rank.
        oracles: rows scored on high views.
        other_clips: rows scored on other clips.
    """

    track: RunRecord
    manifest: str
    records: int
    competitors: tuple[RankedRow, ...]
    oracles: tuple[RankedRow, ...]
    other_clips: tuple[RankedRow, ...]

    @property
    def sections(self) -> Mapping[str, tuple[RankedRow, ...]]:
        """Rows by their name in the CSV column `part`."""
        return {"ranked": self.competitors, "oracle": self.oracles, "other clips": self.other_clips}


def track_table(records: Sequence[RunRecord], costs: Mapping[str, tuple[CostRecord, ...]]) -> TrackTable:
    """Return the table of one track.

    Rows are ranked on the clips that most records were scored on; ties go to the first manifest in alphabetical order.
    Rows scored on other clips are listed separately.
    """
    seen = Counter(clip_list(record) for record in records)
    manifest = min(seen, key=lambda name: (-seen[name], name))
    rows = group_rows(records)
    ranking = sorted((_ranked_row(row, rows, costs) for row in rows), key=_order)
    comparable = [ranked for ranked in ranking if clip_list(ranked.row.first) == manifest]
    return TrackTable(
        track=records[0],
        manifest=manifest,
        records=len(records),
        competitors=tuple(assign_ranks(ranked for ranked in comparable if not ranked.row.first["privileged"])),
        oracles=tuple(ranked for ranked in comparable if ranked.row.first["privileged"]),
        other_clips=tuple(ranked for ranked in ranking if clip_list(ranked.row.first) != manifest),
    )


def _ranked_row(row: TableRow, rows: Sequence[TableRow], costs: Mapping[str, tuple[CostRecord, ...]]) -> RankedRow:
    score = row.interval(row.first["primary"]) if row.seeds else None
    control = control_of(row, rows)
    gain = paired(row, control) if control else None
    of_row = of_test_views(costs.get(row.first["structure"], ()), row.first["plan"])
    return RankedRow(row, score, gain, of_row, control=control)


def _order(ranked: RankedRow) -> tuple[float, str, str]:
    """Sort key: best score first, rows without a score last."""
    return (-ranked.score.mean if ranked.score else 1.0, ranked.row.first["plan"]["method"], ranked.row.key)


def assign_ranks(rows: Iterable[RankedRow]) -> list[RankedRow]:
    """Assign ranks 1, 2, 2, 4, … to rows sorted by score.

    A row shares the rank of the first row of that rank if the two are not significantly different. It is not compared
    with the row directly above, because then a chain of close rows would share rank 1. A row with one seed is not
    ranked if another row has several: its score may be luck that a mean over seeds would average out.
    """
    rows = list(rows)
    several = any(len(ranked.row.seeds) > 1 for ranked in rows)
    out: list[RankedRow] = []
    first: RankedRow | None = None  # first row of the current rank
    count = 0
    for ranked in rows:
        if ranked.score is None or (several and len(ranked.row.seeds) == 1):
            out.append(ranked)
            continue
        count += 1
        if first is None or _is_better(first, ranked):
            first = ranked = replace(ranked, rank=count)
        out.append(replace(ranked, rank=first.rank))
    return out


def _is_better(above: RankedRow, ranked: RankedRow) -> bool:
    """Whether `above` is significantly better: by the paired interval, or by the means if the rows do not pair."""
    found = paired(above.row, ranked.row)
    if found is not None:
        return found.difference.low > 0
    return above.score is None or ranked.score is None or above.score.mean != ranked.score.mean


def paired(row: TableRow, other: TableRow) -> Comparison | None:
    """Return the paired difference of two rows; None if they have no seed and clips in common."""
    if not row.seeds or not other.seeds:
        return None
    try:
        return compare_groups(row.scored, other.scored)
    except ElrError:  # no common seed, or records without per-clip results: there is no paired difference
        return None
