"""Plot accuracy over MACs, with the Pareto front."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark_core.tables.cells import names
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.track_cells import TrackCells
from elrbench_plugins.commands.site.blocks import Block, heading, text


def front_block(cells: TrackCells, primary: str) -> list[Block]:
    """Return a plot of one track's rows; empty if no row has both a score and a cost."""
    part_of = {id(ranked): part for part, section in cells.table.sections.items() for ranked in section}
    points = [
        _point(number, ranked, part_of[id(ranked)])
        for number, ranked in enumerate(cells.ranking, 1)
        if _macs(ranked) is not None
    ]
    shown = [point for point in points if point["part"] != "other clips"]
    if not shown:
        return []
    left_out = sum(1 for ranked in cells.ranking if ranked.score) - len(shown)
    legend = "Up and to the left is better. The line joins the rows that no other row beats at equal or lower cost. "
    legend += "Oracle rows, and rows whose cost is a lower bound, are shown but are not on the line."
    if left_out:
        legend += f" {left_out} scored row{'s are' if left_out != 1 else ' is'} not shown: their cost is unknown or "
        legend += "depends on the length of a clip, or they were scored on other clips."
    return [
        heading("Accuracy and cost", key="cost"),
        {
            "kind": "front",
            "label": f"{primary} in % over MACs per clip in billions",
            "score": primary,
            "points": shown,
            "front": front(
                (point["macs"], point["score"], point["number"]) for point in shown if point["part"] == "ranked"
            ),
        },
        text(legend),
    ]


def _macs(ranked: RankedRow) -> float | None:
    """Return the MACs of one clip; None if they are unknown or depend on the length of a clip."""
    if ranked.score is None or not ranked.costs or ranked.row.first["plan"]["sampling"].startswith("windows-"):
        return None
    macs = ranked.costs[0]["macs"]["clip"]
    return macs if macs > 0 else None


def _point(number: int, ranked: RankedRow, part: str) -> Block:
    """Return a point: macs in units of 1e9; score, low and high in %."""
    assert ranked.score
    shown = names(ranked)
    bound = bool(ranked.costs[0]["understated"])
    return {
        "number": number,
        "name": f"{shown['method']}, {shown['backbone']}, {shown['budget']}",
        "part": "lower bound" if bound and part == "ranked" else part,
        "macs": ranked.costs[0]["macs"]["clip"] / 1e9,
        "score": round(100 * ranked.score.mean, 4),
        "low": round(100 * ranked.score.low, 4),
        "high": round(100 * ranked.score.high, 4),
    }


def front(points: Iterable[tuple[float, float, int]]) -> Sequence[int]:
    """Return the numbers on the Pareto front of (cost, score, number), cheapest first.

    No point on the front is beaten at equal or lower cost. Of points with equal cost and score, the lowest number is
    returned.
    """
    found, best = [], float("-inf")
    for _, score, number in sorted(points, key=lambda point: (point[0], -point[1], point[2])):
        if score > best:
            found.append(number)
            best = score
    return found
