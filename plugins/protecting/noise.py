"""Sensor noise that belongs to the clip and the frame, as that of `average-HxW`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.float32]


def noisy(picture: Picture, sigma: float, seed: int, number: int) -> Picture:
    """Return a picture of any shape with Gaussian noise. sigma: in grey levels. number: of the frame in its clip."""
    if sigma == 0:
        return picture
    noise = np.random.Generator(np.random.PCG64([seed, number])).standard_normal(picture.shape, np.float32)
    return picture + np.float32(sigma) * noise
