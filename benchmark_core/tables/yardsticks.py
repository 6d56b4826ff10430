"""Compare the rows of a track with its best yardstick: a simple method that learned methods should beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark_core.tables.ranking import RankedRow, TrackTable

MARK = "†"


@dataclass(frozen=True)
class Yardstick:
    """The best yardstick of a track, and the learned rows whose score does not exceed its score.

    Attributes:
        best: the yardstick.
        behind: the rows.
    """

    best: RankedRow
    behind: Sequence[RankedRow]

    def exceeded_by(self, ranked: RankedRow) -> bool | None:
        """Whether a row exceeds the yardstick; None for yardsticks and for rows that are not compared with it."""
        assert self.best.score
        if ranked.score is None or is_yardstick(ranked) or ranked.row.first["privileged"]:
            return None
        return ranked.score.mean > self.best.score.mean


def is_yardstick(ranked: RankedRow) -> bool:
    """Whether the row's method is a yardstick."""
    return ranked.row.first.get("yardstick", False)


def yardstick_of(table: TrackTable) -> Yardstick | None:
    """Return the best yardstick on low views with all folds of a seed, or None if the track has none.

    Rows that were scored on other clips are not compared with it.
    """
    # Competitors are sorted by score.
    best = next((ranked for ranked in table.competitors if ranked.score and is_yardstick(ranked)), None)
    if best is None:
        return None
    compared = Yardstick(best, ())
    return Yardstick(best, tuple(each for each in table.competitors if compared.exceeded_by(each) is False))
