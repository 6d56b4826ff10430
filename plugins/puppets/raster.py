"""Antialiased capsules and plates, painted into all frames of a clip at once by signed distance.

Only sums, products, quotients, square roots and rounding are used, so that results do not depend on the mathematical
library.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Colour = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A tapered stroke from `a` to `b` (T, 2), x and y in pixels, with round ends of radii `ra` and `rb` in pixels.

    colour: three numbers in [0, 1]. rim: brightness at the outline, 1 for a flat colour. shown: (T,), visible frames.
    """

    a: Floats
    b: Floats
    ra: float
    rb: float
    colour: Colour
    opacity: float = 1.0
    rim: float = 0.62
    shown: npt.NDArray[np.bool_] | None = None

    def box(self) -> tuple[Floats, Floats]:
        """Return the lowest and the highest corner of the bounding box, each (T, 2)."""
        reach = np.float32(max(self.ra, self.rb) + 1)
        return np.minimum(self.a, self.b) - reach, np.maximum(self.a, self.b) + reach

    def inside(self, x: Floats, y: Floats, frames: npt.NDArray[np.intp]) -> tuple[Floats, float]:
        """Return depth inside the outline in pixels (N, rows, columns), negative outside, and the largest depth."""
        a, along = self.a[frames], self.b[frames] - self.a[frames]
        squared = np.maximum(along[:, 0] * along[:, 0] + along[:, 1] * along[:, 1], np.float32(1e-6))
        x, y = x - a[:, 0, None, None], y - a[:, 1, None, None]
        unit = along / squared[:, None]
        share = np.clip(x * unit[:, 0, None, None] + y * unit[:, 1, None, None], np.float32(0), np.float32(1))
        x = x - share * along[:, 0, None, None]
        y = y - share * along[:, 1, None, None]
        radius = (
            np.float32(self.ra) + share * np.float32(self.rb - self.ra) if self.ra != self.rb else np.float32(self.ra)
        )
        return radius - np.sqrt(x * x + y * y), max(self.ra, self.rb)


@dataclass(frozen=True, kw_only=True)
class Plate:
    """A rectangle around `centre` (T, 2) with half sides `half`, the first along the unit vector `axis` (T, 2)."""

    centre: Floats
    axis: Floats
    half: tuple[float, float]
    colour: Colour
    opacity: float = 1.0
    rim: float = 0.62
    shown: npt.NDArray[np.bool_] | None = None

    def box(self) -> tuple[Floats, Floats]:
        """Return the lowest and the highest corner of the bounding box, each (T, 2)."""
        one, two = np.float32(self.half[0]), np.float32(self.half[1])
        slope = np.abs(self.axis)
        reach = slope * one + slope[:, ::-1] * two + np.float32(1)
        return self.centre - reach, self.centre + reach

    def inside(self, x: Floats, y: Floats, frames: npt.NDArray[np.intp]) -> tuple[Floats, float]:
        """Return depth inside the outline in pixels (N, rows, columns), negative outside, and the largest depth."""
        centre, axis = self.centre[frames], self.axis[frames]
        x, y = x - centre[:, 0, None, None], y - centre[:, 1, None, None]
        along = np.abs(x * axis[:, 0, None, None] + y * axis[:, 1, None, None])
        across = np.abs(y * axis[:, 0, None, None] - x * axis[:, 1, None, None])
        return np.minimum(np.float32(self.half[0]) - along, np.float32(self.half[1]) - across), min(self.half)


Shape = Capsule | Plate


def paint(canvas: Floats, shape: Shape) -> None:
    """Blend one shape into `canvas` (T, rows, columns, 3), in place."""
    count, rows, columns, _ = canvas.shape
    low, high = shape.box()
    first = np.floor(low).astype(np.intp)  # (T, 2)
    span = np.ceil(high).astype(np.intp) - first + 1
    seen = ((first + span > 0) & (first < (columns, rows))).all(1)
    if shape.shown is not None:
        seen &= shape.shown
    frames = np.flatnonzero(seen)
    if not len(frames):
        return
    width, height = np.minimum(span[frames].max(0), (columns, rows))
    left = np.clip(
        first[frames, 0], 0, columns - width
    )  # at the border a box is moved, not cut, so that its size stays the same
    top = np.clip(first[frames, 1], 0, rows - height)
    xs = left[:, None] + np.arange(width)  # (N, width)
    ys = top[:, None] + np.arange(height)  # (N, height)
    depth, middle = shape.inside(xs[:, None, :].astype(np.float32), ys[:, :, None].astype(np.float32), frames)
    cover = np.clip(depth + np.float32(0.5), np.float32(0), np.float32(1)) * np.float32(shape.opacity)
    lit = np.float32(shape.rim) + np.float32(1 - shape.rim) * np.clip(
        depth / np.float32(0.7 * middle), np.float32(0), np.float32(1)
    )
    places = ((frames[:, None] * rows + ys)[:, :, None] * columns + xs[:, None, :]).reshape(-1)
    cover, lit = cover.reshape(-1), lit.reshape(-1)
    places, cover, lit = places[cover > 0], cover[cover > 0], lit[cover > 0]
    flat = canvas.reshape(-1, 3)
    under = flat[places]
    flat[places] = under + cover[:, None] * (lit[:, None] * np.array(shape.colour, np.float32) - under)
