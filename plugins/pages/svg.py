"""Parts of SVG pictures: text, lines, circles, and round numbers for axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

Point = tuple[float, float]  # x, y in pixels
CHARACTER = 7  # pixels of a bold character of 11 pixels, at most on average
COLOURS = (
    "#1f5fa8",
    "#9a5b00",
    "#1b7a3d",
    "#8a2a6b",
    "#6b6b6b",
    "#a8371f",
    "#00838f",
    "#5b3fb5",
    "#7a7a00",
    "#c2185b",
)


def picture(width: float, height: float, parts: Iterable[str]) -> bytes:
    """Return an SVG file with a white ground."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
    head += f'font-family="sans-serif" font-size="11"><rect width="{width}" height="{height}" fill="white"/>'
    return "\n".join([head, *parts, "</svg>\n"]).encode()


def text(
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    size: int = 11,
    bold: bool = False,
    colour: str = "#222222",
) -> str:
    """Return a line of text whose baseline is at y."""
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{colour}"{weight}>'
        f"{escape(words)}</text>"
    )


def line(start: Point, end: Point, colour: str, width: float = 1, opacity: float = 1) -> str:
    """Return a straight line."""
    (x1, y1), (x2, y2) = start, end
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}" '
        f'stroke-opacity="{opacity}"/>'
    )


def circle(x: float, y: float, colour: str, radius: float = 4.5, *, hollow: bool = False) -> str:
    """Return a dot, or a ring."""
    paint = f'fill="white" stroke="{colour}" stroke-width="1.5"' if hollow else f'fill="{colour}"'
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {paint}/>'


def steps(bottom: float, top: float) -> Sequence[int]:
    """Return multiples of 1, 2, 5 or 10 between both, at most ten."""
    step = next((step for step in (1, 2, 5) if (top - bottom) / step <= 10), 10)
    return range(math.ceil(bottom / step) * step, math.floor(top) + 1, step)
