"""Surroundings of the actors: textured background, still and moving clutter, light, sensor noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from elrbench_plugins.puppets.draws import Draws
from elrbench_plugins.puppets.raster import Capsule, Floats, Plate, Shape
from elrbench_plugins.puppets.subjects import hue


def smooth(draws: Draws, coarse: tuple[int, int], rows: int, columns: int) -> Floats:
    """Return bilinear noise (rows, columns) in [-1, 1), interpolated from `coarse` random values."""
    values = draws.grid(*coarse)
    values = _stretch(values, rows)
    return np.ascontiguousarray(_stretch(np.ascontiguousarray(values.T), columns).T)


def _stretch(values: Floats, length: int) -> Floats:
    """Interpolate linearly along axis 0 to `length` samples."""
    at = np.arange(length) * ((len(values) - 1) / max(length - 1, 1))
    here = np.minimum(at.astype(np.intp), len(values) - 2)
    share = (at - here).astype(np.float32)[:, None]
    return values[here] + share * (values[here + 1] - values[here])


def background(draws: Draws, rows: int, columns: int, horizon: float, grain: float) -> Floats:
    """Return a wall above the row `horizon` and a floor below it, (rows, columns, 3) in [0, 1].

    grain: step of the finest pattern in pixels.
    """
    picture = np.empty((rows, columns, 3), np.float32)
    edge = int(np.clip(round(horizon), 1, rows - 1))
    for top, bottom in ((0, edge), (edge, rows)):
        colour = np.array(hue(draws, 0.35, 1.0), np.float32)
        colour = np.float32(0.4) * colour + np.float32(0.6 * draws.between(0.55, 0.95))  # paler than clothes
        height = bottom - top
        blotch = smooth(draws, (4, 5), height, columns)
        fine = smooth(draws, (2 + int(height / (3 * grain)), 2 + int(columns / (3 * grain))), height, columns)
        value = 1 + np.float32(draws.between(0.05, 0.18)) * blotch + np.float32(draws.between(0.03, 0.10)) * fine
        value = value * (1 + np.float32(draws.between(0.0, 0.12)) * _pattern(draws, height, columns, grain))
        picture[top:bottom] = colour * value[..., None]
    return np.clip(picture, 0, 1)


def _pattern(draws: Draws, rows: int, columns: int, grain: float) -> Floats:
    """Return stripes, boards, bricks or tiles (rows, columns), in [-1, 1]."""
    kind, wide, high, shift = draws.units(4)
    width, height = int(grain * (5 + 14 * wide)) + 1, int(grain * (4 + 12 * high)) + 1
    y, x = np.arange(rows)[:, None], np.arange(columns)[None, :] + int(shift * width)
    if kind < 0.3:
        cells = (x // width) % 2 + 0 * y
    elif kind < 0.5:
        cells = (y // height) % 2 + 0 * x
    elif kind < 0.75:
        joint = max(int(grain), 1)
        cells = ((y % height >= joint) & ((x + (y // height % 2) * (width // 2)) % width >= joint)).astype(np.intp)
    else:
        cells = (x // width + y // height) % 2
    return (2 * cells - 1).astype(np.float32)


def clutter(draws: Draws, rows: int, columns: int, frames: int, unit: float) -> tuple[list[Shape], list[Shape]]:
    """Return shapes behind the actors and shapes in front of them. unit: 1/96 of the picture's height in pixels."""
    behind: list[Shape] = []
    before: list[Shape] = []
    still = np.zeros((frames, 1), np.float32)
    moving = np.arange(frames, dtype=np.float32)[:, None] / np.float32(max(frames - 1, 1))
    for _ in range(int(3 * draws.units(1)[0])):  # furniture
        behind.append(_thing(draws, rows, columns, still, unit * draws.between(3, 8)))
    for _ in range(int(3 * draws.units(1)[0])):  # small things, as large as held objects
        behind.append(_thing(draws, rows, columns, still, unit * draws.between(1.5, 3.5)))
    if draws.chance(0.3):
        behind.append(_thing(draws, rows, columns, moving, unit * draws.between(1.5, 6)))
    if draws.chance(0.15):
        before.append(_thing(draws, rows, columns, moving, unit * draws.between(1.5, 3)))
    return behind, before


def _thing(draws: Draws, rows: int, columns: int, along: Floats, size: float) -> Shape:
    """Return a disc, pole or box of about `size` pixels, which moves as `along` (T, 1) goes from 0 to 1."""
    kind, x0, y0, x1, y1, long = draws.units(6)
    colour = hue(draws)
    start = np.round(np.array([x0 * columns, y0 * rows]), 2).astype(np.float32)
    end = np.round(np.array([x1 * columns, y1 * rows]), 2).astype(np.float32)
    place = start + along * (end - start)
    if kind < 0.3:
        return Capsule(a=place, b=place, ra=size, rb=size, colour=colour)
    if kind < 0.5:
        away = np.array([0.0, size * (2 + 3 * long)], np.float32)
        return Capsule(a=place - away, b=place + away, ra=0.4 * size, rb=0.4 * size, colour=colour)
    axis = np.broadcast_to(np.array([1.0, 0.0], np.float32), place.shape)
    return Plate(centre=place, axis=axis, half=(size, size * (0.5 + float(long))), colour=colour, rim=0.8)


def light(draws: Draws, rows: int, columns: int) -> Floats:
    """Return gains (rows, columns, 3): brightness, its slope over the picture, and a tint."""
    level = draws.between(0.75, 1.12)
    down, right = (draws.between(-0.2, 0.2) for _ in range(2))
    tint = 1 + 0.08 * draws.grid(3)
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None, :]
    return ((level * (1 + np.float32(down) * y + np.float32(right) * x))[..., None] * tint).astype(np.float32)


def expose(canvas: Floats, draws: Draws, noise: float) -> tuple[npt.NDArray[np.uint8], ...]:
    """Return R, G and B planes (T, rows, columns) of `canvas` in [0, 1], with noise of about `noise` grey levels."""
    count, rows, columns, _ = canvas.shape
    size = count * rows * columns
    grains = (
        draws.octets(size).astype(np.float32) + draws.octets(size) - np.float32(255)
    )  # triangular, standard deviation 104
    grains = (grains * np.float32(noise / 104) + np.float32(0.5)).reshape(count, rows, columns)
    return tuple(
        np.clip(np.floor(canvas[..., plane] * np.float32(255) + grains), 0, 255).astype(np.uint8) for plane in range(3)
    )
