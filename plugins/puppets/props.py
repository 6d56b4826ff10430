"""Small objects. None is longer than a tenth of a stature, at most one pixel of a 12x16 view."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elrbench_plugins.puppets.camera import Camera
from elrbench_plugins.puppets.figure import Body, Joints
from elrbench_plugins.puppets.raster import Capsule, Colour, Floats, Plate, Shape

RELEASE, LANDED = 0.46, 0.94  # shares of a strike's cycle: a thrown ball leaves the hand, and disappears


@dataclass(frozen=True, kw_only=True)
class Grip:
    """Input of a held object. turns: cycles completed at each frame (T,)."""

    joints: Joints
    body: Body
    camera: Camera
    turns: npt.NDArray[np.float64]
    colour: Colour

    def seen(self, side: float = 0.0, up: float = 0.0, forward: float = 0.0) -> Floats:
        """Return the pixels (T, 2) of a point at an offset, in statures, from the acting hand."""
        return self.camera.see(self.joints["hand_r"] + np.array([side, up, forward]))[0]

    def upright(self) -> Floats:
        """Return the unit vector (T, 2) of the scene's vertical in the picture, (0, -1) if seen from straight above."""
        line = self.seen(up=0.5).astype(np.float64) - self.seen()
        length = np.sqrt((line * line).sum(1, keepdims=True))
        line = np.where(length > 0, line / np.where(length > 0, length, 1), (0, -1))
        return np.round(line, 5).astype(np.float32)


def _phone(grip: Grip) -> list[Shape]:
    size = grip.camera.stature
    return [
        Plate(
            centre=grip.seen(up=0.012),
            axis=grip.upright(),
            half=(0.048 * size, 0.029 * size),
            colour=grip.colour,
            rim=0.8,
        )
    ]


def _cup(grip: Grip) -> list[Shape]:
    size = grip.camera.stature
    middle = grip.seen(up=0.014, forward=0.02)
    dark: Colour = (0.3 * grip.colour[0], 0.3 * grip.colour[1], 0.3 * grip.colour[2])
    return [
        Plate(centre=middle, axis=grip.upright(), half=(0.038 * size, 0.034 * size), colour=grip.colour, rim=0.7),
        Plate(
            centre=grip.seen(up=0.046, forward=0.02),
            axis=grip.upright(),
            half=(0.009 * size, 0.034 * size),
            colour=dark,
            rim=1,
        ),
    ]


def _flag(grip: Grip) -> list[Shape]:
    size = grip.camera.stature
    dark: Colour = (0.15, 0.12, 0.10)
    radius = max(0.007 * size, 0.5)
    return [
        Plate(
            centre=grip.seen(side=-0.036, up=0.056),
            axis=grip.upright(),
            half=(0.033 * size, 0.038 * size),
            colour=grip.colour,
            rim=0.85,
        ),
        Capsule(a=grip.seen(), b=grip.seen(up=0.086), ra=radius, rb=radius, colour=dark, rim=1),
    ]


def _case(grip: Grip) -> list[Shape]:
    size = grip.camera.stature
    return [
        Plate(
            centre=grip.seen(up=-0.050),
            axis=grip.upright(),
            half=(0.040 * size, 0.045 * size),
            colour=grip.colour,
            rim=0.75,
        )
    ]


def _ball(grip: Grip) -> list[Shape]:
    """Return a ball: in the hand until the arm is stretched, then in flight; a new one for each throw."""
    turn = grip.turns - np.floor(grip.turns)
    flown = np.maximum(turn - RELEASE, 0)[:, None] / (LANDED - RELEASE)
    start = grip.joints["shoulder_r"] + grip.body.arm * np.array([0.05, 0.22, 1.05])
    path = start + flown * np.array([0.0, 0.12, 0.62]) - flown * flown * np.array([0.0, 0.26, 0.0])
    place = np.where(flown > 0, path, grip.joints["hand_r"] + np.array([-0.010, 0.028, 0.012]))
    middle = grip.camera.see(place)[0]
    radius = 0.042 * grip.camera.stature
    return [Capsule(a=middle, b=middle, ra=radius, rb=radius, colour=grip.colour, rim=0.7, shown=turn < LANDED)]


PROPS: Mapping[str, Callable[[Grip], list[Shape]]] = {
    "phone": _phone,
    "cup": _cup,
    "flag": _flag,
    "case": _case,
    "ball": _ball,
}
