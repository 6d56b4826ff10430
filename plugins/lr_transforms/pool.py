"""A fixed set of n low-resolution transforms: sub-pixel shifts, scales and rotations of the high view.

Ryoo et al., Privacy-Preserving Human Activity Recognition from Extreme Low Resolution, AAAI 2017: each transform,
followed by the degradation, gives another low view of the same scene. The first one leaves the view as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from elrbench_plugins.lr_transforms.transforms import Draw, transform

if TYPE_CHECKING:
    from benchmark_core.clips.views import Batch

Numbers = npt.NDArray[np.floating[Any]]


def pool(seed: int, transforms: int, *, low: tuple[int, int], shift: float, scale: float, angle: float) -> Draw:
    """Return n random transforms, the first of which is the identity.

    low: (h, w). shift: largest shift along each axis, in low pixels. scale: factors are log-uniform in
    [1/scale, scale]. angle: largest rotation in degrees.
    """
    rng = np.random.default_rng(seed)
    shifts = rng.uniform(-shift, shift, (transforms, 2))
    scales = np.exp(rng.uniform(-np.log(scale), np.log(scale), transforms))
    angles = rng.uniform(-angle, angle, transforms)
    shifts[0], scales[0], angles[0] = 0, 1, 0
    return draw_of(shifts, scales, angles, low)


def draw_of(shift: Numbers, scale: Numbers, angle: Numbers, low: tuple[int, int]) -> Draw:
    """Return n given transforms without drift and flip.

    shift: (n, 2), down and right in low pixels. scale: (n,), above 1 enlarges. angle: (n,) in degrees. low: (h, w).
    """
    numbers = {"shift": shift * np.array([1 / low[0], 1 / low[1]]), "scale": scale, "angle": np.radians(angle)}
    drawn = {key: torch.from_numpy(value.astype(np.float32)) for key, value in numbers.items()}
    number = len(scale)
    return Draw(
        **drawn, drift=torch.zeros(number, 2), flip=torch.zeros(number), made=torch.ones(number, dtype=torch.bool)
    )


def transformed(high: Tensor, drawn: Draw) -> Tensor:
    """Return high views (B, K, C, T, H, W) under each of n transforms, (B*n, K, C, T, H, W), clip by clip."""
    clips, number = len(high), len(drawn.scale)
    each = Draw(**{name: value.repeat(clips, *[1] * (value.ndim - 1)) for name, value in vars(drawn).items()})
    return transform(high.repeat_interleave(number, 0), each)


def low_views(degrade: Callable[[Tensor], Tensor], batch: Batch, drawn: Draw) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return n low views of each clip, (B*n, K, 3, T, h, w), those of a clip together; with their masks and boxes.

    degrade: `training.degrade`. drawn: n transforms. The first low view of a clip is the stored one, so that the first
    transform is the identity. All views of a clip have its mask (K,) and its box, and repeat the same frames.
    """
    assert isinstance(batch.high, Tensor) and isinstance(batch.low, Tensor)
    number, clips = len(drawn.scale), len(batch.low)
    made = repeat_frames(degrade(transformed(batch.high, drawn)), batch.high).unflatten(0, (clips, number))
    low = torch.cat([batch.low.unsqueeze(1), made[:, 1:].to(batch.low.dtype)], 1).flatten(0, 1)
    mask = batch.mask.repeat_interleave(number, 0)
    return low, mask, None if batch.box is None else batch.box.repeat_interleave(number, 0)


def repeat_frames(made: Tensor, high: Tensor) -> Tensor:
    """Return `made` with each frame that repeats the one before it in `high` copied from that one.

    A clip that is shorter than its view repeats frames. Low views as stored repeat them, too; without this, each copy
    would have noise of its own, which looks like motion. made: (N, K, 3, T, h, w). high: (B, K, 3, T, H, W), where N is
    B or a multiple of it, clip by clip.
    """
    if high.device.type == "meta":
        return made
    frames = high.shape[3]
    new = (high[:, :, :, 1:] != high[:, :, :, :-1]).any(5).any(4).any(2)  # (B, K, T-1)
    numbers = torch.arange(1, frames, device=high.device).where(new, 0)
    source = torch.cat([numbers.new_zeros(*new.shape[:2], 1), numbers], 2).cummax(2).values  # (B, K, T)
    source = source.repeat_interleave(len(made) // len(high), 0)[:, :, None, :, None, None]
    return made.gather(3, source.expand_as(made))
