"""Draw the plot of accuracy over MACs as an SVG picture, for papers and documents that run no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

from elrbench_plugins.commands.site.blocks import Block

WIDTH, HEIGHT = 950, 480
LEFT, RIGHT, TOP, BOTTOM = 56, 350, 34, 46  # margins in pixels; names stand in the right margin
ROW = 15  # pixels from one name to the next
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

    parts = [_text(LEFT, 20, title, size=14, bold=True)]
    for score in _steps(bottom, top):
        parts += [_line((LEFT, y(score)), (WIDTH - RIGHT, y(score)), "#dddddd")]
        parts += [_text(LEFT - 8, y(score) + 4, f"{score:g}", anchor="end")]
    for macs in _decades(low, high):
        parts += [_line((x(macs), TOP), (x(macs), HEIGHT - BOTTOM), "#dddddd")]
        parts += [_text(x(macs), HEIGHT - BOTTOM + 16, f"{macs:g}", anchor="middle")]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_text(middle, HEIGHT - 10, f"{block['score']} (%) over MACs per clip (G)", anchor="middle"))
    front = [next(point for point in points if point["number"] == number) for number in block["front"]]
    ends = [*front, {"macs": high, "score": front[-1]["score"]}] if front else []
    for one, other in pairwise(ends):  # a step: the score holds until the next point's cost
        corner = (x(other["macs"]), y(one["score"]))
        parts += [_line((x(one["macs"]), y(one["score"])), corner, "#1f5fa8", 1.5)]
        parts += [_line(corner, (x(other["macs"]), y(other["score"])), "#1f5fa8", 1.5)]
    for rank, point in enumerate(points):
        across, colour = x(point["macs"]), COLOURS[point["part"]]
        parts.append(_line((across, y(point["low"])), (across, y(point["high"])), colour, opacity=0.35))
        parts.append(f'<circle cx="{across:.1f}" cy="{y(point["score"]):.1f}" r="4.5" fill="{colour}"/>')
        parts.append(_text(across + 7, y(point["score"]) - 5, str(point["number"]), bold=True))
        name = f"{point['number']}  {point['score']:.1f}  {point['name'].rpartition(', ')[0]}"
        parts.append(_text(WIDTH - RIGHT + 12, TOP + 10 + ROW * rank, name, colour=colour))
    height = max(HEIGHT, TOP + 20 + ROW * len(points))
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
    head += f'font-family="sans-serif" font-size="11"><rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([head, *parts, "</svg>\n"]).encode()


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", size: int = 11, bold: bool = False, colour: str = "#222222"
) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{weight}>'
        f"{escape(text)}</text>"
    )


def _line(
    start: tuple[float, float], end: tuple[float, float], colour: str, width: float = 1, opacity: float = 1
) -> str:
    (x1, y1), (x2, y2) = start, end
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}"/>'
    )


def _steps(bottom: float, top: float) -> Sequence[float]:
    """Return multiples of 1, 2, 5 or 10 between both, at most ten."""
    step = next((step for step in (1, 2, 5) if (top - bottom) / step <= 10), 10)
    return range(math.ceil(bottom / step) * step, math.floor(top) + 1, step)


def _decades(low: float, high: float) -> Sequence[float]:
    """Return 1, 2 and 5 times the powers of ten between both; powers alone if these are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [value for value in every if low <= value <= high]
    return inside if len(inside) <= 8 else [10.0**power for power in powers if low <= 10.0**power <= high]
