"""Change the pixels of a batch of views: colours, turns, and a rectangle that is erased."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_core.errors import ElrError

AREA = 0.02, 0.2  # share of a view that is erased, smallest and largest
ASPECT = 0.3, 3.3  # of the rectangle: height over width, both as shares of the view
GREY = 0.299, 0.587, 0.114  # weights of red, green and blue in the luminance of BT.601


def draw_rectangle(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw top, left, bottom and right of a rectangle as shares of the view (Zhong et al., Random Erasing, 2020)."""
    area, aspect = rng.uniform(*AREA), np.exp(rng.uniform(*np.log(ASPECT)))
    height, width = min(1.0, np.sqrt(area * aspect)), min(1.0, np.sqrt(area / aspect))
    top, left = rng.uniform(0, 1 - height), rng.uniform(0, 1 - width)
    return np.array([top, left, top + height, left + width])


def inside(rectangle: Tensor, height: int, width: int) -> Tensor:
    """Return which pixels' centres are in the rectangles (B, 4): bool (B, 1, 1, 1, H, W)."""
    top, left, bottom, right = rectangle.unsqueeze(-1).unbind(1)  # (B, 1) each
    down, across = ((torch.arange(side, device=rectangle.device) + 0.5) / side for side in (height, width))
    rows, columns = (down >= top) & (down < bottom), (across >= left) & (across < right)  # (B, H), (B, W)
    return (rows.unsqueeze(2) & columns.unsqueeze(1))[:, None, None, None]


def coloured(view: Tensor, brightness: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Scale saturation around each pixel's grey, contrast around 0.5, and brightness around 0; clamp to [0, 1].

    view: (B, K, 3, T, H, W). Other arguments: factors (B,).
    """
    grey = (view * view.new_tensor(GREY).reshape(3, 1, 1, 1)).sum(2, keepdim=True)
    view = grey + each(saturation) * (view - grey)
    view = 0.5 + each(contrast) * (view - 0.5)
    return (each(brightness) * view).clamp(0, 1)


def turned(view: Tensor, quarters: npt.NDArray[np.int64]) -> Tensor:
    """Turn each clip of a view (B, K, C, T, H, W) counterclockwise by `quarters` (B,) times 90 degrees.

    Flow (C = 2: right, down) is turned as vectors, too. Raises ElrError if odd quarters would change the shape.
    """
    if view.shape[-2] != view.shape[-1] and (quarters % 2).any():
        raise ElrError(
            f"method.random_turn=quarter needs square views, but these are {view.shape[-2]}x{view.shape[-1]}; pass "
            "--set method.random_turn=half"
        )
    clips = []
    for clip, quarter in zip(view, quarters.tolist(), strict=True):
        clip = torch.rot90(clip, quarter, (-2, -1))
        if view.shape[2] == 2:
            for _ in range(quarter % 4):
                clip = torch.stack([clip[:, 1], -clip[:, 0]], 1)  # right becomes up, down becomes right
        clips.append(clip)
    return torch.stack(clips)


def each(numbers: Tensor) -> Tensor:
    """Reshape (B,) to broadcast against (B, K, C, T, H, W)."""
    return numbers.reshape(-1, 1, 1, 1, 1, 1)
