"""Foreground masks: where a frame differs from its background, and their area average."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.resample import to_grey_levels

Mask = npt.NDArray[np.bool_]  # (…, rows, columns)


def fine(low: tuple[int, int], detail: int) -> tuple[int, int]:
    """Return the size of masks: `detail` x `detail` pixels per low pixel."""
    return low[0] * detail, low[1] * detail


def differs(picture: npt.NDArray[np.generic], background: npt.NDArray[np.float32], threshold: float) -> Mask:
    """Return where a channel of (3, rows, columns) differs by more than `threshold` grey levels: (rows, columns)."""
    found: Mask = (np.abs(picture.astype(np.float32) - background) > threshold).any(axis=0)
    return found


def averaged(masks: Mask, low: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return masks (T, rows, columns) as low views, uint8 (T, 3, h, w): 255 times the foreground's part of a cell."""
    cells = masks.reshape(len(masks), low[0], masks.shape[1] // low[0], low[1], masks.shape[2] // low[1])
    share = cells.mean(axis=(2, 4), dtype=np.float32)  # (T, h, w)
    return np.repeat(to_grey_levels(255 * share)[:, None], 3, axis=1)
