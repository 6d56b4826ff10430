"""Accuracy against multiply-adds, and the rows that no other beats at equal or lower cost."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmark_core.tables.cells import names
from benchmark_core.tables.ranking import RankedRow
from benchmark_core.tables.track_cells import TrackCells
from elrbench_plugins.commands.site.blocks import Block, heading, text


def front_block(cells: TrackCells, primary: str) -> list[Block]:
    """A plot of one track's rows; nothing where no row has both a score and a cost."""
    part_of = {id(line): part for part, lines in cells.table.parts.items() for line in lines}
    points = [
        _point(number, line, part_of[id(line)]) for number, line in enumerate(cells.lines, 1) if _macs(line) is not None
    ]
    shown = [point for point in points if point["part"] != "other clips"]
    if not shown:
        return []
    left = sum(1 for line in cells.lines if line.score) - len(shown)
    said = "Up and to the left is better. The line joins the rows that no other row beats at equal or lower cost; "
    said += "ceilings, which are scored on high views, and costs that are lower bounds are shown and are not on it."
    apart = f" {left} scored row{'s have' if left != 1 else ' has'} no place in it: " if left else ""
    why = "no cost of their network, a cost by the window, or other clips." if left else ""
    return [
        heading("Accuracy against cost", key="cost"),
        {
            "kind": "front",
            "label": f"{primary} in %, against multiply-adds of a clip in billions",
            "score": primary,
            "points": shown,
            "front": front(
                (point["macs"], point["score"], point["number"]) for point in shown if point["part"] == "ranked"
            ),
        },
        text(said + apart + why),
    ]


def _macs(line: RankedRow) -> float | None:
    """Of one clip; None where that is not known, or depends on how long a clip is."""
    if line.score is None or not line.costs or line.row.first["plan"]["sampling"].startswith("windows-"):
        return None
    macs = line.costs[0]["macs"]["clip"]
    return macs if macs > 0 else None


def _point(number: int, line: RankedRow, part: str) -> Block:
    """macs in 1e9; score, low and high in %."""
    assert line.score
    shown = names(line)
    bound = bool(line.costs[0]["understated"])
    return {
        "number": number,
        "name": f"{shown['method']}, {shown['backbone']}, {shown['budget']}",
        "part": "lower bound" if bound and part == "ranked" else part,
        "macs": line.costs[0]["macs"]["clip"] / 1e9,
        "score": round(100 * line.score.mean, 4),
        "low": round(100 * line.score.low, 4),
        "high": round(100 * line.score.high, 4),
    }


def front(points: Iterable[tuple[float, float, int]]) -> Sequence[int]:
    """Numbers of the Pareto front of (cost, score, number), cheapest first: none of them is beaten at its cost or less.

    Of points that are alike in both, the first by number stands for all.
    """
    found, best = [], float("-inf")
    for _, score, number in sorted(points, key=lambda point: (point[0], -point[1], point[2])):
        if score > best:
            found.append(number)
            best = score
    return found
