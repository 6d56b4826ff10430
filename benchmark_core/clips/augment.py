"""Augmentation: one random box per clip, drawn on the host; the device crops low and high views with the same box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from torch import Tensor

Box = npt.NDArray[np.float32]  # (5,): top, left, height, width in [0, 1], and 1 if flipped

WHOLE: tuple[float, ...] = (0.0, 0.0, 1.0, 1.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """Distribution of the boxes.

    CSTAT names "location jittering, horizontal flipping, cropping, and scale jittering" without numbers; the defaults
    are TSN's.

    sides: fractions of the view's height and width. Both are drawn from this list, at most `apart` entries apart.
    flip: probability of a horizontal flip.
    moves: views that are stored with a margin are cropped at a random position; else at the centre.
    """

    sides: tuple[float, ...] = (1.0, 0.875, 0.75, 0.66)
    apart: int = 1
    flip: float = 0.5
    moves: bool = True


def draw_box(rng: np.random.Generator, jitter: Jitter | None = None) -> Box:
    """Draw a box of random height and width at one of the four corners or the centre."""
    jitter = jitter or Jitter()
    sides = jitter.sides
    pairs = [(h, w) for i, h in enumerate(sides) for j, w in enumerate(sides) if abs(i - j) <= jitter.apart]
    height, width = pairs[rng.integers(len(pairs))]
    down, across = ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))[rng.integers(5)]
    flip = rng.random() < jitter.flip
    return np.array([down * (1 - height), across * (1 - width), height, width, flip], np.float32)


def moved(box: Tensor, shift: Tensor, zoom: Tensor) -> Tensor:
    """Move boxes (N, 5) by shift (N, 2), down and right as shares of the view, and scale their sides by zoom (N,).

    The centre of a box moves by the shift alone. A box may reach outside the view, where `cut` repeats the edges.
    """
    import torch

    sides = box[:, 2:4] * zoom.unsqueeze(1)
    corner = box[:, :2] + (box[:, 2:4] - sides) / 2 + shift
    return torch.cat([corner, sides, box[:, 4:]], 1)


def cut(view: Tensor, box: Tensor, *, flow: bool = False) -> Tensor:
    """Crop views (N, C, T, H, W) by boxes (N, 5) and resize bilinearly to the same shape. Differentiable in `view`.

    flow: a flip negates the horizontal channel. Resizing does not scale the displacements: they stay those of the whole
        view, as in TSN's augmentation of flow.

    A clip whose box is the whole view is returned unchanged, bit for bit.
    """
    import torch
    from torch.nn import functional as F

    number, channels, frames, height, width = view.shape
    top, left, share_h, share_w, flip = box.to(view.dtype).unbind(1)  # (N,) each
    zero = torch.zeros_like(top)
    # Output coordinate x in [-1, 1] reads the input at share_w * x + (2 * left + share_w - 1); a flip negates x.
    theta = torch.stack(
        [
            torch.stack([share_w * (1 - 2 * flip), zero, 2 * left + share_w - 1], 1),
            torch.stack([zero, share_h, 2 * top + share_h - 1], 1),
        ],
        1,
    )  # (N, 2, 3)
    grid = F.affine_grid(theta, [number, 1, height, width], align_corners=False)  # (N, H, W, 2)
    flat = view.reshape(number, channels * frames, height, width)
    seen = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    seen = seen.reshape(view.shape)
    if flow:
        across = 1 - 2 * flip.reshape(-1, 1, 1, 1, 1)
        seen = torch.cat([seen[:, :1] * across, seen[:, 1:]], 1)
    whole = (box == box.new_tensor(WHOLE)).all(1).reshape(-1, 1, 1, 1, 1)
    return torch.where(whole, view, seen)
