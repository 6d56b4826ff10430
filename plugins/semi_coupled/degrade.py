"""Grey low views by cubic resizing, as Chen et al. make them with MATLAB: `rgb2gray`, then `imresize`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.specs import Value
from elrbench_plugins.semi_coupled.imresize import cubic_matrix

if TYPE_CHECKING:
    from torch import Tensor

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # BT.601, as rgb2gray


def degrade(frames: Frames, low: tuple[int, int], options: Mapping[str, Value], seed: int) -> npt.NDArray[np.uint8]:
    """Return the low view, uint8 (T, 3, h, w), of fitted frames: three equal channels of whole grey levels.

    The grey frame is the luma plane if the video has one.
    """
    plane = luma(frames)  # (T, rows, columns)
    rows, columns = plane.shape[1:]
    top, left, bottom, right = frames.region
    down = cubic_matrix(rows, low[0], top * rows, bottom * rows).astype(np.float32)  # (h, rows)
    across = cubic_matrix(columns, low[1], left * columns, right * columns).astype(np.float32)  # (w, columns)
    small = down @ plane @ across.T  # (T, h, w)
    levels = np.clip(np.rint(small), 0, 255).astype(np.uint8)
    return np.repeat(levels[:, None], 3, axis=1)


def luma(frames: Frames) -> npt.NDArray[np.float32]:
    """Return luma in grey levels from 0 to 255, float32 (T, rows, columns)."""
    first: npt.NDArray[np.float32] = frames.planes[0].astype(np.float32)
    if frames.colour == "rgb":
        return np.einsum("c,cthw->thw", LUMA, np.stack(frames.planes).astype(np.float32))
    if frames.colour.endswith("-limited"):  # luma 16..235
        return np.clip((first - 16) * np.float32(255 / 219), 0, 255)
    return first


def from_high(high: Tensor, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Return (N, 3, h, w) in [0, 1], in whole grey levels, for float `high` (N, 3, H, W) in [0, 1]."""
    import torch  # imported here: storing clips needs no torch

    weights, down, across = (
        torch.tensor(values, dtype=high.dtype, device=high.device)
        for values in (LUMA, *(cubic_matrix(side, cells) for side, cells in zip(high.shape[-2:], low, strict=True)))
    )
    grey = 255 * (high * weights[:, None, None]).sum(1)  # (N, H, W)
    levels = (down @ grey @ across.T).round().clamp(0, 255)
    return (levels / 255).unsqueeze(1).expand(-1, 3, -1, -1)
