"""Draw accuracy over leakage as an SVG picture, one point per recognizer; the area of a point grows with its MACs.

What a view gives away does not depend on the recognizer that is deployed on it: whoever has the view may run another
network. So all recognizers on a view stand at the score of the best attacker on that view.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from benchmark_core.tables.rows import Interval
from elrbench_plugins.commands.privacy.findings import Findings, Leakage
from elrbench_plugins.commands.privacy.leakage import pareto
from elrbench_plugins.pages.svg import CHARACTER, COLOURS, circle, line, picture, steps, text

WIDTH, HEIGHT = 980, 480
LEFT, RIGHT, TOP, BOTTOM = 56, 420, 46, 62  # margins in pixels; names stand in the right margin
ROW = 15  # pixels from one name to the next
SMALLEST, LARGEST = 3.5, 9.0  # radius of a point


@dataclass(frozen=True, kw_only=True)
class Point:
    """A recognizer: score on actions; score of the best attack on its view; MACs, or None."""

    number: int
    row: Leakage
    acted: Interval
    leaked: Interval
    macs: float | None
    front: bool = False


def points_of(findings: Findings) -> list[Point]:
    """Return the recognizers that are scored, without those on high views. number: of the attack in the table.

    Points without known MACs are not on the front.
    """
    found = []
    for number, row in enumerate(findings.rows, 1):
        best = findings.best(row.view)
        if row.acted is not None and not row.informed and best is not None and best.score is not None:
            found.append(Point(number=number, row=row, acted=row.acted, leaked=best.score, macs=row.macs))
    known = [point for point in found if point.macs is not None]
    flags = pareto([(point.acted.mean, point.leaked.mean, point.macs or 0.0) for point in known])
    front = {point.number for point, flag in zip(known, flags, strict=True) if flag}
    return [replace(point, front=point.number in front) for point in found]


def privacy_picture(findings: Findings) -> bytes | None:
    """Return the picture; None if no recognizer is scored next to an attack."""
    points = points_of(findings)
    if not points:
        return None
    metric, acted = findings.rows[0].metric, points[0].row.action
    assert acted is not None
    x = _Axis(_marks([point.leaked for point in points], _levels(findings)), LEFT, WIDTH - RIGHT)
    y = _Axis(_marks([point.acted for point in points], {}), HEIGHT - BOTTOM, TOP)
    parts = [text(LEFT, 20, f"Accuracy and leakage: {findings.track}, {findings.protocol}", size=14, bold=True)]
    for score in steps(x.low, x.high):
        parts += [line((x(score), TOP), (x(score), HEIGHT - BOTTOM), "#dddddd")]
        parts += [text(x(score), HEIGHT - BOTTOM + 16, f"{score:g}", anchor="middle")]
    for score in steps(y.low, y.high):
        parts += [line((LEFT, y(score)), (WIDTH - RIGHT, y(score)), "#dddddd")]
        parts += [text(LEFT - 8, y(score) + 4, f"{score:g}", anchor="end")]
    for row, (name, level) in enumerate(_levels(findings).items()):
        parts += [line((x(level), TOP), (x(level), HEIGHT - BOTTOM), "#a8371f", 1, 0.6)]
        parts += [text(x(level) + 3, TOP + 10 + 12 * row, name, size=10, colour="#a8371f")]  # they may be close
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(text(middle, HEIGHT - 28, f"{findings.target} {metric} (%) of the best attacker", anchor="middle"))
    parts.append(text(middle, HEIGHT - 12, "left and up is better; filled: no other is better in all", anchor="middle"))
    parts.append(text(LEFT, TOP - 6, f"action {acted.first['primary']} (%)"))
    parts.append(
        text(WIDTH - RIGHT + 12, TOP - 6, f"number, action / {findings.target}, MACs, view, attacker", bold=True)
    )
    views = {view: COLOURS[number % len(COLOURS)] for number, view in enumerate(findings.views)}
    radius = _radii(points)
    for rank, point in enumerate(sorted(points, key=lambda point: -point.acted.mean)):
        colour = views[point.row.view]
        across, up = x(100 * point.leaked.mean), y(100 * point.acted.mean)
        parts += [line((x(100 * point.leaked.low), up), (x(100 * point.leaked.high), up), colour, opacity=0.35)]
        parts += [line((across, y(100 * point.acted.low)), (across, y(100 * point.acted.high)), colour, opacity=0.35)]
        parts += [circle(across, up, colour, radius[point.number], hollow=not point.front)]
        parts += [text(across + radius[point.number] + 2, up - 5, str(point.number), bold=True)]
        parts += [text(WIDTH - RIGHT + 12, TOP + 10 + ROW * rank, _name(point), colour=colour)]
    width = max(WIDTH, WIDTH - RIGHT + 24 + CHARACTER * max(len(_name(point)) for point in points))
    return picture(width, max(HEIGHT, TOP + 20 + ROW * len(points)), parts)


@dataclass(frozen=True)
class _Axis:
    """Percent -> pixels. marks: values in percent that the axis has to show."""

    marks: Sequence[float]
    start: float
    end: float

    @property
    def low(self) -> float:
        """Lowest value shown."""
        return max(0.0, min(self.marks) - 3)

    @property
    def high(self) -> float:
        """Highest value shown."""
        return min(100.0, max(self.marks) + 3)

    def __call__(self, value: float) -> float:
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)


def _marks(scores: Sequence[Interval], levels: Mapping[str, float]) -> list[float]:
    return [100 * value for score in scores for value in (score.low, score.high)] + list(levels.values())


def _levels(findings: Findings) -> dict[str, float]:
    """Return chance and guess in percent, of the first attack that has them."""
    rows = [row for row in findings.rows if row.score is not None]
    chance = next((row.chance for row in rows if row.chance is not None), None)
    guess = next((row.guess for row in rows if row.guess is not None), None)
    return {name: 100 * value for name, value in (("chance", chance), ("guess", guess)) if value is not None}


def _radii(points: Sequence[Point]) -> Mapping[int, float]:
    """Return the radius of each point, by the logarithm of its MACs; the smallest if they are unknown."""
    logs = {point.number: math.log(point.macs) for point in points if point.macs}
    low, high = min(logs.values(), default=0.0), max(logs.values(), default=0.0)
    span = (high - low) or 1.0
    grown = {number: SMALLEST + (LARGEST - SMALLEST) * (value - low) / span for number, value in logs.items()}
    return {point.number: grown.get(point.number, SMALLEST) for point in points}


def _name(point: Point) -> str:
    macs = "" if point.macs is None else f"  {point.macs / 1e9:.3g} G"
    enhancer = "" if point.row.enhancer == "none" else f"{point.row.enhancer}, "
    scores = f"{100 * point.acted.mean:.1f} / {100 * point.leaked.mean:.1f}"
    return f"{point.number}  {scores}{macs}  {point.row.view}, {enhancer}{point.row.attacker}"
