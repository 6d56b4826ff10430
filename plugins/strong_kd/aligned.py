"""Augment the student's and the teacher's view of a clip by the same random numbers.

The augmentation follows the crop, at network size. Brightness, contrast, saturation and mixup are affine in the pixels
and constant over a view. They therefore commute with averaging, apart from clipping: the augmented low view stays the
average of the augmented high view.

The core's augmentation (`benchmark_core.training.batch_augmentation`) changes views before enhancement and draws other
random numbers. Published records hold for the augmentation here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from benchmark_core.clips import pixels
from benchmark_core.clips.pixels import draw_rectangle, each, inside

if TYPE_CHECKING:
    from benchmark_core.clips.batch import Part

Whole: TypeAlias = Callable[[Any], Any]  # rows of this process's clips -> rows of all clips of the batch


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Random numbers of B clips; all frames and intervals of a clip share them.

    brightness, contrast, saturation: (B,) factors.
    rectangle: (B, 4), top, left, bottom and right of the erased area as shares of the view; all 0 if none is erased.
    own: (B,), the clip's share in its mixture. partner: (B,), index of the clip that has the rest.
    """

    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    rectangle: Tensor
    own: Tensor
    partner: Tensor

    def to(self, device: torch.device) -> Draw:
        """Return the same numbers on `device`."""
        return Draw(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def of(self, part: Part) -> Draw:
        """Return the numbers of the clips of one process. Partners are still those of the whole batch."""
        return Draw(**{field.name: part.of(getattr(self, field.name)) for field in fields(self)})


def draw(rng: np.random.Generator, clips: int, *, jitter: float, erase: float, mixup: float) -> Draw:
    """Draw the numbers of `clips` clips.

    jitter: factors are uniform in [1 - jitter, 1 + jitter]. erase: probability of a rectangle (Zhong et al., Random
    Erasing, AAAI 2020). mixup: a of Beta(a, a), 0 for none (Zhang et al., mixup, ICLR 2018); one share per clip.
    """
    factors = rng.uniform(1 - jitter, 1 + jitter, (3, clips))
    rectangle = np.stack([draw_rectangle(rng) if rng.random() < erase else np.zeros(4) for _ in range(clips)])
    own = rng.beta(mixup, mixup, clips) if mixup else np.ones(clips)
    brightness, contrast, saturation, rectangle, own = (
        torch.from_numpy(numbers.astype(np.float32)) for numbers in (*factors, rectangle, own)
    )
    return Draw(
        brightness=brightness,
        contrast=contrast,
        saturation=saturation,
        rectangle=rectangle,
        own=own,
        partner=torch.from_numpy(rng.permutation(clips)),
    )


def change(view: Tensor, drawn: Draw, fill: Tensor, whole: Whole = lambda view: view) -> Tensor:
    """Augment (B, K, C, T, H, W) as drawn. fill: (C,), value of erased pixels. Colours change only if C is 3.

    whole: returns the views of all clips that partners may be, see `training.whole`.
    """
    if view.shape[2] == 3:
        view = coloured(view, drawn)
    view = torch.where(inside(drawn.rectangle, view.shape[-2], view.shape[-1]), fill.reshape(-1, 1, 1, 1), view)
    own = each(drawn.own)
    return own * view + (1 - own) * whole(view)[drawn.partner]


def coloured(view: Tensor, drawn: Draw) -> Tensor:
    """Change colours as drawn, see `benchmark_core.clips.pixels.coloured`."""
    return pixels.coloured(view, drawn.brightness, drawn.contrast, drawn.saturation)


def mixed(target: Tensor, drawn: Draw, classes: int, whole: Whole = lambda shares: shares) -> Tensor:
    """Mix targets as the clips are mixed: int64 (B,) or float (B, C) -> shares of the classes (B, C)."""
    shares = target if target.is_floating_point() else one_hot(target, classes).float()
    own = drawn.own.unsqueeze(1)
    return own * shares + (1 - own) * whole(shares)[drawn.partner]
