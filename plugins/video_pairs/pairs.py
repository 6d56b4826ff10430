"""Consecutive frames of training clips: low views as a network's input, high views as its target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from elrbench_plugins.dbpn.fit import frames, large

if TYPE_CHECKING:
    from elrbench import Batch


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """N sequences of T frames in [0, 1].

    low: (N, T, 3, h, w), the network's input. high: (N, T, 3, scale*h, scale*w), its target.
    clips: number in the batch of the clip of each sequence, N of them.
    """

    low: Tensor
    high: Tensor
    clips: list[int]


def pairs_of(module: Any, batch: Batch, least: float) -> Pairs:
    """Return the pairs of a batch, resized to the sizes that the network takes and makes.

    module: has `to_source` and `to_made`, which resize (N, 3, h, w) to these two sizes, as DBPN's module does.
    least: smallest size of a high view, as a share of what the network makes, for clips as recorded; if no clip reaches
        it, the largest is used.
    A pair is flipped if its clip's crop box is flipped. It is not cropped.
    """
    assert batch.low is not None and batch.high is not None
    whole = isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor)
    clips = list(range(len(batch.low))) if whole else large(batch.high, module.to_made.size, least)
    k, t = batch.low[0].shape[0], batch.low[0].shape[2]
    low, high = (
        torch.cat([resize(frames(view[i][None])) for i in clips]).unflatten(0, (-1, t))  # (N, T, 3, h, w)
        for view, resize in ((batch.low, module.to_source), (batch.high, module.to_made))
    )
    rows = [clip for clip in clips for _ in range(k)]
    if batch.box is not None:
        flip = batch.box[rows, 4].reshape(-1, 1, 1, 1, 1) > 0
        low, high = (torch.where(flip, view.flip(-1), view) for view in (low, high))
    return Pairs(low=low, high=high, clips=rows)
