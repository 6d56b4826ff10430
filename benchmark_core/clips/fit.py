"""Crop frames to an aspect ratio, and make the high view."""

from __future__ import annotations

import dataclasses
from math import gcd

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import fit_to, to_grey_levels

MARGIN = 128 / 112  # TinyVIRAT resizes to 128 and crops 112


def centre(size: tuple[int, int], aspect: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the largest centred region with `aspect` (height, width) in a picture of `size` (rows, columns).

    The region is (top, left, bottom, right) relative to the picture.
    """
    rows, columns = size
    height, width = aspect
    if columns * height > rows * width:  # wider than `aspect`
        share = rows * width / height / columns
        return 0.0, (1 - share) / 2, 1.0, (1 + share) / 2
    share = columns * height / width / rows
    return (1 - share) / 2, 0.0, (1 + share) / 2, 1.0


def aspect_of(size: tuple[int, int]) -> tuple[int, int]:
    """Return the aspect (height, width) of a size in lowest terms: (3, 4) of 12x16."""
    shared = gcd(*size)
    return size[0] // shared, size[1] // shared


def crop_to_aspect(frames: Frames, aspect: tuple[int, int]) -> Frames:
    """Return the same planes with the centred region of `aspect` in view, unless the whole frame stays in view."""
    return frames if frames.whole else dataclasses.replace(frames, region=centre(frames.size, aspect))


def with_margin(size: tuple[int, int]) -> tuple[int, int]:
    """Return the stored size of a high view from which a box of `size` is cropped before degrading."""
    return round(size[0] * MARGIN), round(size[1] * MARGIN)


def high_view(frames: Frames, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return uint8 RGB (T, 3, H, W) of the region: averaged if it is larger than `size`, interpolated if smaller."""
    return to_grey_levels(fit_to(frames, size))


def as_recorded(frames: Frames) -> npt.NDArray[np.uint8]:
    """Return uint8 RGB (T, 3, rows, columns) of the whole frame at its own size."""
    whole = dataclasses.replace(frames, region=(0.0, 0.0, 1.0, 1.0))
    return to_grey_levels(fit_to(whole, whole.size))
