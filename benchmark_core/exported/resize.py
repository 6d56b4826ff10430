"""Resize frames linearly with numpy, for clips that are taken as recorded and differ in size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]


def resized(frames: Frames, size: tuple[int, int]) -> Frames:
    """Return frames (…, h, w) at `size` (H, W), rounded to whole levels. Frames of that size are returned unchanged."""
    if frames.shape[-2:] == size:
        return frames
    rows, columns = (antialiased_matrix(old, new) for old, new in zip(frames.shape[-2:], size, strict=True))
    made = rows @ frames.astype(np.float32) @ columns.T
    levels: Frames = np.rint(made).clip(0, 255).astype(np.uint8)
    return levels


def antialiased_matrix(old: int, new: int) -> npt.NDArray[np.float32]:
    """Return (new, old) weights: a triangle around each new pixel's centre, wider where the side shrinks.

    The same as torch's bilinear interpolation with `antialias`.
    """
    scale = old / new
    width = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale - 0.5  # of new pixels, in old ones
    weights = np.maximum(0, 1 - np.abs(np.arange(old) - centres[:, None]) / width)
    matrix: npt.NDArray[np.float32] = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return matrix
