"""Draw the scores of a suite's rows over the size of low views as an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from benchmark_core.names import ComponentName
from elrbench_plugins.commands.suite.results import Measured, ScoreLine
from elrbench_plugins.commands.suite.sizes import area
from elrbench_plugins.pages.svg import CHARACTER, COLOURS, circle, line, picture, steps, text

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 200, 34, 60  # margins in pixels; names stand in the right margin

Curve = Sequence[tuple[str, Measured]]  # (size, score), by area


def curves(lines: Sequence[ScoreLine]) -> tuple[str, dict[str, Curve]]:
    """Return the metric, and row -> its scores by size. Rows whose metric is not the first one's are left out."""
    found: dict[str, list[tuple[str, Measured]]] = {}
    metric = next((each.metric for each in lines if each.ours), "")
    for each in lines:
        row, at, size = each.row.row.name.rpartition("@")
        if at and each.ours and each.metric == metric:
            found.setdefault(row, []).append((size, each.ours))
    return metric, {row: sorted(points, key=lambda point: area(point[0])) for row, points in found.items()}


def size_picture(lines: Sequence[ScoreLine], title: str) -> bytes | None:
    """Return the picture: a line per row, bars of one standard deviation over seeds. None without a score."""
    metric, found = curves(lines)
    if not found:
        return None
    points = [point for curve in found.values() for point in curve]
    sizes = sorted({size for size, _ in points}, key=lambda size: (area(size), size))
    top = min(100.0, max(100 * (score.value + (score.std or 0)) for _, score in points) + 3)
    at = _positions(sizes)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * score / top

    parts = [text(LEFT, 20, title, size=14, bold=True)]
    for score in steps(0, top):
        parts += [line((LEFT, y(score)), (WIDTH - RIGHT, y(score)), "#dddddd")]
        parts += [text(LEFT - 8, y(score) + 4, f"{score:g}", anchor="end")]
    for size in sizes:
        parts += [line((at[size], TOP), (at[size], HEIGHT - BOTTOM), "#dddddd")]
        parts += [text(at[size], HEIGHT - BOTTOM + 16, size, anchor="middle")]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(
        text(middle, HEIGHT - 14, f"{metric} (%) over the size of low views (pixels, log scale)", anchor="middle")
    )
    for number, (row, curve) in enumerate(found.items()):
        colour = COLOURS[number % len(COLOURS)]
        ends = [(at[size], y(100 * score.value)) for size, score in curve]
        parts += [line(one, other, colour, 1.5) for one, other in pairwise(ends)]
        for (_, score), (x, height) in zip(curve, ends, strict=True):
            if score.std:
                bar = [(x, y(100 * (score.value + sign * score.std))) for sign in (-1, 1)]
                parts.append(line(bar[0], bar[1], colour, opacity=0.5))
            parts += [circle(x, height, colour), text(x + 7, height - 6, f"{100 * score.value:.1f}", colour=colour)]
        parts.append(text(WIDTH - RIGHT + 12, TOP + 10 + 15 * number, row, colour=colour, bold=True))
    width = max(WIDTH, WIDTH - RIGHT + 24 + CHARACTER * max(map(len, found)))
    return picture(width, max(HEIGHT, TOP + 20 + 15 * len(found)), parts)


def _positions(sizes: Sequence[str]) -> Mapping[str, float]:
    """Return size -> x in pixels, by the logarithm of the area."""
    logs = {size: math.log(area(size)) for size in sizes}
    low, high = min(logs.values()), max(logs.values())
    span = (high - low) or 1.0
    inner = WIDTH - LEFT - RIGHT - 60
    return {size: LEFT + 30 + inner * ((value - low) / span if high > low else 0.5) for size, value in logs.items()}


def title_of(lines: Sequence[ScoreLine], suite: str) -> str:
    """Return the suite and the datasets of its plans."""
    plans = [plan for each in lines for plan in each.row.plans]
    datasets = dict.fromkeys(ComponentName.parse(plan.dataset).base for plan in plans)
    return f"{suite}: {', '.join(datasets)}"
