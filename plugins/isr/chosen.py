"""The transforms that were chosen from the pool, as a module that a stage trains."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from elrbench_plugins.isr.grid import Pool
from elrbench_plugins.lr_transforms.pool import draw_of
from elrbench_plugins.lr_transforms.transforms import Draw


class Chosen(nn.Module):
    """n transforms, the first of which is the identity. Buffers have the units of `Draw`.

    number: int64 (n,), places in the pool. shift: (n, 2). scale, angle: (n,).
    """

    number: Tensor
    shift: Tensor
    scale: Tensor
    angle: Tensor

    def __init__(self, transforms: int) -> None:
        super().__init__()
        self.register_buffer("number", torch.zeros(transforms, dtype=torch.int64))
        self.register_buffer("shift", torch.zeros(transforms, 2))
        self.register_buffer("scale", torch.ones(transforms))
        self.register_buffer("angle", torch.zeros(transforms))

    def set(self, pool: Pool, numbers: Sequence[int], low: tuple[int, int]) -> None:
        """Take the transforms `numbers` of the pool. low: (h, w)."""
        drawn = drawn_of(pool.take(numbers), low)
        self.number.copy_(torch.tensor(list(numbers)))
        for name in ("shift", "scale", "angle"):
            getattr(self, name).copy_(getattr(drawn, name))

    def drawn(self) -> Draw:
        """Return the transforms as numbers of n clips."""
        return Draw(
            shift=self.shift,
            scale=self.scale,
            angle=self.angle,
            drift=torch.zeros_like(self.shift),
            flip=torch.zeros_like(self.scale),
            made=torch.ones_like(self.scale, dtype=torch.bool),
        )


def drawn_of(pool: Pool, low: tuple[int, int]) -> Draw:
    """Return all transforms of a pool as numbers of P clips. low: (h, w)."""
    return draw_of(pool.shift, pool.scale, pool.angle, low)
