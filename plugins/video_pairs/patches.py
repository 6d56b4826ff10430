"""Random patches of pairs: the same region of the low and of the high frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from elrbench import Batch, Training


def corners(training: Training, batch: Batch, low: tuple[int, int], patch: int) -> list[tuple[int, int]]:
    """Draw the upper left corner of a patch, in low pixels, for each clip of a batch.

    low: (h, w) of the low frames. patch: sides in low pixels; 0 or more than a side: the whole side.
    """
    drawn = training.rng.random((batch.part.rows(len(batch.ids)), 2))
    rows, columns = (side - extent(side, patch) + 1 for side in low)  # numbers of places
    return [(int(y * rows), int(x * columns)) for y, x in batch.part.of(drawn).tolist()]


def extent(side: int, patch: int) -> int:
    """Return the low pixels of a patch along a side."""
    return min(side, patch) if patch else side


def cut(view: Tensor, places: list[tuple[int, int]], size: tuple[int, int], scale: int = 1) -> Tensor:
    """Return (N, ..., scale*h, scale*w), the patches of (N, ..., H, W).

    places: corners of the N patches, in low pixels. size: (h, w) of a patch in low pixels. scale: pixels of `view` per
    low pixel.
    """
    height, width = (scale * side for side in size)
    return torch.stack(
        [
            one[..., scale * y : scale * y + height, scale * x : scale * x + width]
            for one, (y, x) in zip(view, places, strict=True)
        ]
    )
