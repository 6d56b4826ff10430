"""A car seen from the side, which drives through the picture or stops in it."""

from __future__ import annotations

import numpy as np

from elrbench_plugins.puppets.draws import Draws
from elrbench_plugins.puppets.raster import Capsule, Plate, Shape
from elrbench_plugins.puppets.subjects import hue


def vehicle(draws: Draws, rows: int, columns: int, frames: int, stops: bool) -> list[Shape]:
    """Return the shapes of one car. With `stops`, it brakes steadily and stands for the last part of the clip."""
    length = columns * draws.between(0.34, 0.50)  # half the length of the car
    height = length * draws.between(0.22, 0.34)
    colour, dark, glass = hue(draws), (0.06, 0.06, 0.07), (0.25, 0.32, 0.38)
    way = columns * draws.between(0.30, 0.60) * (1 if draws.chance(0.5) else -1)
    halt = draws.between(0.45, 0.75)  # share of the clip after which a stopping car is at rest
    middle, ground = columns * draws.between(0.40, 0.60), rows * draws.between(0.72, 0.90)
    boxy = draws.chance(0.35)
    time = np.arange(frames) / max(frames - 1, 1)
    left = np.maximum(1 - time / halt, 0)
    gone = 0.5 - left * left if stops else time - 0.5
    x = np.round(middle + way * gone, 3)
    front = 1 if way > 0 else -1

    def at(forward: float, up: float) -> np.ndarray:
        return np.stack([x + front * forward, np.full(frames, ground - up)], 1).astype(np.float32)

    axis = np.broadcast_to(np.array([1.0, 0.0], np.float32), (frames, 2))
    wheel = 0.62 * height
    roof = (0.05 * length, 0.85 * length) if boxy else (-0.10 * length, 0.48 * length)
    return [
        Plate(centre=at(0, 0), axis=axis, half=(1.02 * length, 0.18 * height), colour=(0, 0, 0), opacity=0.35, rim=1),
        Plate(centre=at(roof[0] - 0.1 * length, 2.6 * height), axis=axis, half=(roof[1], 0.75 * height), colour=colour),
        Plate(
            centre=at(roof[0] - 0.1 * length, 2.5 * height),
            axis=axis,
            half=(0.86 * roof[1], 0.48 * height),
            colour=glass,
        ),
        Plate(centre=at(0, 1.3 * height), axis=axis, half=(length, 0.75 * height), colour=colour),
        *(
            Capsule(a=at(place, wheel), b=at(place, wheel), ra=wheel, rb=wheel, colour=dark, rim=1)
            for place in (-0.62 * length, 0.62 * length)
        ),
    ]
