"""Pairs of low and high views to train a network on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from elrbench_plugins.dvsr.enhancer import SuperResolution, resized

if TYPE_CHECKING:
    from benchmark_core.clips.views import Batch


def pairs_of(
    module: SuperResolution, scale: int, batch: Batch, options: Mapping[str, Any]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return inputs of the network by `scale`, high views and class targets.

    Inputs: (N, 3, 16, H / scale, W / scale) in [-1, 1]. High views: (N, 3, 16, H, W) in [0, 1]. Targets: as in `batch`.
    A pair is flipped if its clip's crop box is flipped. It is not cropped.

    Clips as recorded: high views are resized bicubically to H x W. Those smaller than the option `pair_least` of it are
    left out; if no clip reaches it, the largest is used. The input is the high view, resized bicubically. With
    pair_low=degraded it is the low view, if `scale` is the scale for a view of that size.
    """
    assert batch.low is not None and batch.high is not None
    if isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor):
        number = len(batch.low)
        components = list(range(number))
        inputs, high = module.prepared(batch.low[:, 0], scale), batch.high[:, 0]
    else:
        components = large(batch.high, module.size, float(options["pair_least"]))
        degraded = options["pair_low"] == "degraded"
        inputs = torch.cat([taken(module, scale, batch.low[i], batch.high[i], degraded) for i in components])
        high = torch.cat([resized(batch.high[i], module.size) for i in components])
    target = batch.target[components]
    if batch.box is None:
        return inputs, high, target
    flip = batch.box[components, 4].reshape(-1, 1, 1, 1, 1) > 0
    return torch.where(flip, inputs.flip(-1), inputs), torch.where(flip, high.flip(-1), high), target


def taken(module: SuperResolution, scale: int, low: Tensor, high: Tensor, degraded: bool) -> Tensor:
    """Return the network's input of a clip as recorded; low and high are (1, 3, 16, h, w)."""
    return module.prepared(low if degraded and module.scale_of(low) == scale else high, scale)


def large(high: Sequence[Tensor] | Tensor, size: tuple[int, int], least: float) -> list[int]:
    """Return the indices of views (..., h, w) with at least `least` of `size`, or of the largest view if none has."""
    shares = [min(view.shape[-2] / size[0], view.shape[-1] / size[1]) for view in high]
    return [i for i, share in enumerate(shares) if share >= least] or [shares.index(max(shares))]
