"""Average down-sampling with lens blur and sensor noise, as for CSTAT's 12x16 videos (section IV.A)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.specs import Value


def degrade(frames: Frames, low: tuple[int, int], options: Mapping[str, Value], seed: int) -> npt.NDArray[np.uint8]:
    """Return the low view, uint8 (T, 3, h, w), of fitted frames.

    The noise depends only on `seed` (from the clip's content) and the number of the frame: it is part of the data.
    """
    pictures = reduce(frames, low, sigma=float(options["sigma_blur"]))  # (T, 3, h, w) in grey levels
    sigma = float(options["sigma_noise"])
    if sigma > 0:
        for number, picture in enumerate(pictures, start=frames.first):
            noise = np.random.Generator(np.random.PCG64([seed, number])).standard_normal(picture.shape, np.float32)
            picture += sigma * noise
    return to_grey_levels(pictures)
