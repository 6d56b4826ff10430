"""Draw the plot of accuracy over MACs as an SVG picture, for papers and documents that run no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from elrbench_plugins.commands.site.blocks import Block
from elrbench_plugins.pages.svg import CHARACTER, circle, line, picture, steps, text

WIDTH, HEIGHT = 950, 480
LEFT, RIGHT, TOP, BOTTOM = 56, 350, 34, 46  # margins in pixels; names stand in the right margin
ROW = 15  # pixels from one name to the next
LABEL_HEIGHT = 10  # pixels of a point's number
GAP = 7  # pixels from a point to its number
NAME = 60  # characters of a name that fit into the right margin
COLOURS = {"ranked": "#1f5fa8", "lower bound": "#9a5b00", "oracle": "#6b6b6b"}


def front_picture(block: Block, title: str) -> bytes:
    """Return the picture of a block of `front_block`: numbered points with intervals, the Pareto front, and names."""
    points = sorted(block["points"], key=lambda point: -point["score"])
    low, high = min(point["macs"] for point in points) / 1.5, max(point["macs"] for point in points) * 1.5
    bottom = max(0.0, min(point["low"] for point in points) - 2)
    top = min(100.0, max(point["high"] for point in points) + 2)

    def x(macs: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(macs / low) / math.log(high / low)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (score - bottom) / (top - bottom)

    parts = [text(LEFT, 20, title, size=14, bold=True)]
    for score in steps(bottom, top):
        parts += [line((LEFT, y(score)), (WIDTH - RIGHT, y(score)), "#dddddd")]
        parts += [text(LEFT - 8, y(score) + 4, f"{score:g}", anchor="end")]
    for macs in _decades(low, high):
        parts += [line((x(macs), TOP), (x(macs), HEIGHT - BOTTOM), "#dddddd")]
        parts += [text(x(macs), HEIGHT - BOTTOM + 16, f"{macs:g}", anchor="middle")]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, HEIGHT - 10, f"{block['score']} (%) over MACs per clip (G)", anchor="middle"))
    front = [next(point for point in points if point["number"] == number) for number in block["front"]]
    ends = [*front, {"macs": high, "score": front[-1]["score"]}] if front else []
    for one, other in pairwise(ends):  # a step: the score holds until the next point's cost
        corner = (x(other["macs"]), y(one["score"]))
        parts += [line((x(one["macs"]), y(one["score"])), corner, "#1f5fa8", 1.5)]
        parts += [line(corner, (x(other["macs"]), y(other["score"])), "#1f5fa8", 1.5)]
    numbers = _Labels()
    for rank, point in enumerate(points):
        across, colour = x(point["macs"]), COLOURS[point["part"]]
        parts.append(line((across, y(point["low"])), (across, y(point["high"])), colour, opacity=0.35))
        parts.append(circle(across, y(point["score"]), colour))
        left, base = numbers.place(across, y(point["score"]), str(point["number"]))
        parts.append(text(left, base, str(point["number"]), bold=True))
        name = f"{point['number']}  {point['score']:.1f}  {point['name'].rpartition(', ')[0]}"
        name = name if len(name) <= NAME else name[: NAME - 1].rstrip() + "…"
        parts.append(text(WIDTH - RIGHT + 12, TOP + 10 + ROW * rank, name, colour=colour))
    height = max(HEIGHT, TOP + 20 + ROW * len(points))
    return picture(WIDTH, height, parts)


class _Labels:
    """Places the numbers of points so that none covers another, as far as there is room next to its point."""

    def __init__(self) -> None:
        self._taken: list[tuple[float, float, float]] = []  # left, right and base of each label

    def place(self, across: float, height: float, label: str) -> tuple[float, float]:
        """Return left and base of the label of a point: right of it, left of it, or farther away. In pixels."""
        width = CHARACTER * len(label)
        spots = [
            (left, height + down)
            for gap in (GAP, GAP + 2 * CHARACTER + 3, GAP + 4 * CHARACTER + 6)
            for down in (-5, 9)
            for left in (across + gap, across - gap - width)
        ]
        left, base = next((spot for spot in spots if self._free(*spot, width)), spots[0])
        self._taken.append((left, left + width, base))
        return left, base

    def _free(self, left: float, base: float, width: float) -> bool:
        return all(
            left >= end or left + width <= begin or abs(base - other) >= LABEL_HEIGHT
            for begin, end, other in self._taken
        )


def _decades(low: float, high: float) -> Sequence[float]:
    """Return 1, 2 and 5 times the powers of ten between both; powers alone if these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [value for value in every if low <= value <= high]
    return inside if len(inside) <= 8 else [10.0**power for power in powers if low <= 10.0**power <= high]
