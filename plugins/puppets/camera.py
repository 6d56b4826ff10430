"""Camera without perspective: yaw, pitch, roll, zoom, shift, jitter and mirroring."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from elrbench_plugins.puppets.draws import Draws
from elrbench_plugins.puppets.raster import Floats


@dataclass(frozen=True, kw_only=True)
class Camera:
    """Projection from statures to pixels.

    yaw, pitch, roll: radians; at yaw 0 the figure faces the camera, at positive yaw its acting side faces the camera.
    stature: pixels. x, y: pixel of the ground point between the feet. jitter: (T, 2) pixels.
    mirrored: swap left and right. overhead: the camera looks down, so that the head is nearer than the feet.
    """

    yaw: float
    pitch: float
    roll: float
    stature: float
    x: float
    y: float
    columns: int
    mirrored: bool
    jitter: npt.NDArray[np.float64]
    overhead: bool = False

    def see(self, points: npt.NDArray[np.float64]) -> tuple[Floats, npt.NDArray[np.float64]]:
        """Return pixels (T, 2) as x and y, rounded to 1/64, and nearness (T,) in statures."""
        side, up, forward = points[:, 0], points[:, 1], points[:, 2]
        sine, cosine = _turn(self.yaw)
        across = side * cosine + forward * sine
        near = forward * cosine - side * sine
        sine, cosine = _turn(self.pitch)
        high = up * cosine - near * sine
        sine, cosine = _turn(self.roll)
        x = self.x + self.stature * (across * cosine + high * sine) + self.jitter[:, 0]
        y = self.y - self.stature * (high * cosine - across * sine) + self.jitter[:, 1]
        if self.mirrored:
            x = self.columns - 1 - x
        return (np.round(np.stack([x, y], 1) * 64) / 64).astype(np.float32), up if self.overhead else near


def _turn(angle: float) -> tuple[float, float]:
    """Return sine and cosine, rounded so that results do not depend on the mathematical library."""
    return round(math.sin(angle), 9), round(math.cos(angle), 9)


def sway(draws: Draws, frames: int, reach: float) -> npt.NDArray[np.float64]:
    """Return the shake of a hand-held camera (T, 2), within `reach` pixels."""
    ends = draws.grid(4, 2).astype(np.float64) * reach
    at = np.arange(frames) * (3 / max(frames - 1, 1))
    here = np.minimum(at.astype(np.intp), 2)
    share = at - here
    share = (share * share * (3 - 2 * share))[:, None]
    return ends[here] + share * (ends[here + 1] - ends[here])
