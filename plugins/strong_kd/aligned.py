"""Augment the student's and the teacher's view of a clip by the same random numbers.

The augmentation follows the crop, at network size. Brightness, contrast, saturation and mixup are affine in the pixels
and constant over a view. They therefore commute with averaging, apart from clipping: the augmented low view stays the
average of the augmented high view.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import one_hot

AREA = 0.02, 0.2  # share of a view that is erased, smallest and largest
ASPECT = 0.3, 3.3  # of the rectangle: height over width, both as shares of the view
GREY = 0.299, 0.587, 0.114  # BT.601


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


def draw(rng: np.random.Generator, clips: int, *, jitter: float, erase: float, mixup: float) -> Draw:
    """Draw the numbers of `clips` clips.

    jitter: factors are uniform in [1 - jitter, 1 + jitter]. erase: probability of a rectangle (Zhong et al., Random
    Erasing, AAAI 2020). mixup: a of Beta(a, a), 0 for none (Zhang et al., mixup, ICLR 2018); one share per clip.
    """
    factors = rng.uniform(1 - jitter, 1 + jitter, (3, clips))
    rectangle = np.stack([_rectangle(rng) if rng.random() < erase else np.zeros(4) for _ in range(clips)])
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


def _rectangle(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    area, aspect = rng.uniform(*AREA), np.exp(rng.uniform(*np.log(ASPECT)))
    height, width = min(1.0, np.sqrt(area * aspect)), min(1.0, np.sqrt(area / aspect))
    top, left = rng.uniform(0, 1 - height), rng.uniform(0, 1 - width)
    return np.array([top, left, top + height, left + width])


def change(view: Tensor, drawn: Draw, fill: Tensor) -> Tensor:
    """Augment (B, K, C, T, H, W) as drawn. fill: (C,), value of erased pixels. Colours change only if C is 3."""
    if view.shape[2] == 3:
        view = coloured(view, drawn)
    view = torch.where(_erased(drawn.rectangle, view.shape[-2], view.shape[-1]), fill.reshape(-1, 1, 1, 1), view)
    own = _each(drawn.own)
    return own * view + (1 - own) * view[drawn.partner]


def coloured(view: Tensor, drawn: Draw) -> Tensor:
    """Scale saturation around each pixel's grey, contrast around 0.5, and brightness around 0; clamp to [0, 1]."""
    grey = (view * view.new_tensor(GREY).reshape(3, 1, 1, 1)).sum(2, keepdim=True)
    view = grey + _each(drawn.saturation) * (view - grey)
    view = 0.5 + _each(drawn.contrast) * (view - 0.5)
    return (_each(drawn.brightness) * view).clamp(0, 1)


def mixed(target: Tensor, drawn: Draw, classes: int) -> Tensor:
    """Mix targets as the clips are mixed: int64 (B,) or float (B, C) -> shares of the classes (B, C)."""
    shares = target if target.is_floating_point() else one_hot(target, classes).float()
    own = drawn.own.unsqueeze(1)
    return own * shares + (1 - own) * shares[drawn.partner]


def _each(numbers: Tensor) -> Tensor:
    """Reshape (B,) to broadcast against (B, K, C, T, H, W)."""
    return numbers.reshape(-1, 1, 1, 1, 1, 1)


def _erased(rectangle: Tensor, height: int, width: int) -> Tensor:
    """Return which pixels' centres are in the rectangles: bool (B, 1, 1, 1, H, W)."""
    top, left, bottom, right = rectangle.unsqueeze(-1).unbind(1)  # (B, 1) each
    down, across = ((torch.arange(side, device=rectangle.device) + 0.5) / side for side in (height, width))
    rows, columns = (down >= top) & (down < bottom), (across >= left) & (across < right)  # (B, H), (B, W)
    return (rows.unsqueeze(2) & columns.unsqueeze(1))[:, None, None, None]
