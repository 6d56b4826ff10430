"""Many low-resolution videos from one high-resolution video: move, scale and rotate the high view, then degrade it.

Inverse super-resolution (Ryoo et al., Privacy-Preserving Human Activity Recognition from Extreme Low Resolution, AAAI
2017, section 3): transforms below one low pixel, followed by the degradation, give low views with other content.
`draw` gives each clip new random transforms; `pool.py` has fixed sets of transforms, the same for all clips.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark_core.clips.augment import WHOLE

if TYPE_CHECKING:
    from benchmark_core.clips.batch import Part


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Random numbers of B clips; all frames and intervals of a clip share them.

    shift, drift: (B, 2), down and right as shares of the view: at the middle frame, and from the first frame to the
        last. scale: (B,), above 1 enlarges. angle: (B,) in radians. flip: (B,), 1 if mirrored.
    made: bool (B,), whether the low view is made from the transformed high view; otherwise the stored views stay.
    """

    shift: Tensor
    drift: Tensor
    scale: Tensor
    angle: Tensor
    flip: Tensor
    made: Tensor

    def to(self, device: torch.device) -> Draw:
        """Return the same numbers on `device`."""
        return Draw(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def take(self, numbers: Tensor | slice) -> Draw:
        """Return the numbers of some clips. numbers: int64 (N,), or a slice."""
        return Draw(**{field.name: getattr(self, field.name)[numbers] for field in fields(self)})

    def of(self, part: Part) -> Draw:
        """Return the numbers of the clips of one process."""
        return Draw(**{field.name: part.of(getattr(self, field.name)) for field in fields(self)})


def draw(
    rng: np.random.Generator,
    clips: int,
    *,
    low: tuple[int, int],
    share: float,
    shift: float,
    scale: float,
    angle: float,
    drift: float,
    flip: float = 0.5,
) -> Draw:
    """Draw the numbers of `clips` clips.

    low: (h, w). share: probability that a clip's low view is made in training. shift, drift: largest shift along each
    axis, in low pixels. scale: factors are log-uniform in [1/scale, scale]. angle: largest rotation, in degrees.
    """
    pixels = np.array([1 / low[0], 1 / low[1]])
    numbers = {
        "shift": rng.uniform(-shift, shift, (clips, 2)) * pixels,
        "drift": rng.uniform(-drift, drift, (clips, 2)) * pixels,
        "scale": np.exp(rng.uniform(-np.log(scale), np.log(scale), clips)),
        "angle": np.radians(rng.uniform(-angle, angle, clips)),
        "flip": rng.random(clips) < flip,
    }
    tensors = {key: torch.from_numpy(value.astype(np.float32)) for key, value in numbers.items()}
    return Draw(**tensors, made=torch.from_numpy(rng.random(clips) < share))


def transform(view: Tensor, drawn: Draw) -> Tensor:
    """Return pictures (B, K, C, T, H, W), moved as drawn. Beyond the view's edges its border is repeated.

    One bilinear interpolation per pixel. Without a drift, the frames of a clip share one grid.
    """
    clips, intervals, channels, frames, height, width = view.shape
    drifts = bool(drawn.drift.device.type != "meta" and drawn.drift.any())
    theta = _affine(drawn, height / width, frames if drifts else 1)  # (B, t, 2, 3)
    if drifts:
        flat = view.permute(0, 3, 1, 2, 4, 5).reshape(clips * frames, intervals * channels, height, width)
    else:
        flat = view.reshape(clips, intervals * channels * frames, height, width)
    grid = F.affine_grid(theta.flatten(0, 1), [len(flat), 1, height, width], align_corners=False)
    seen = F.grid_sample(flat, grid, mode="bilinear", padding_mode="border", align_corners=False)
    if drifts:
        return seen.reshape(clips, frames, intervals, channels, height, width).permute(0, 2, 3, 1, 4, 5)
    return seen.reshape(view.shape)


def _affine(drawn: Draw, aspect: float, frames: int) -> Tensor:
    """Return the map from output to input coordinates, both in [-1, 1]: (B, frames, 2, 3). aspect: H / W.

    In pixels around the centre, the input position is R(angle) / scale · (output position) - shift. A flip negates the
    output's x first.
    """
    cosine, sine = (function(drawn.angle) / drawn.scale for function in (torch.cos, torch.sin))  # (B,)
    mirror = 1 - 2 * drawn.flip
    linear = torch.stack(
        [
            torch.stack([cosine * mirror, -sine * aspect], 1),
            torch.stack([sine / aspect * mirror, cosine], 1),
        ],
        1,
    )  # (B, 2, 2)
    time = (torch.arange(frames, device=drawn.shift.device) + 0.5) / frames - 0.5  # from -1/2 to 1/2
    moved = drawn.shift.unsqueeze(1) + time.reshape(1, -1, 1) * drawn.drift.unsqueeze(1)  # (B, frames, 2): down, right
    offset = -2 * moved.flip(-1)  # a share of the view is 2 units: (right, down)
    return torch.cat([linear.unsqueeze(1).expand(-1, frames, -1, -1), offset.unsqueeze(-1)], -1)


def pick(made: Tensor, ours: Tensor, stored: Tensor) -> Tensor:
    """Return the clips of `ours` where `made` (B,) is set, and those of `stored` elsewhere."""
    return torch.where(made.reshape(-1, *[1] * (ours.dim() - 1)), ours, stored)


def boxes(drawn: Draw, box: Tensor | None) -> Tensor | None:
    """Return `box` (B, 5) with the whole view for the transformed clips, which are not cropped in addition."""
    return None if box is None else pick(drawn.made, box.new_tensor(WHOLE).expand_as(box), box)
