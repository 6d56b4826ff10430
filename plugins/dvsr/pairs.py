"""Pairs of low and high that a network learns from."""

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
    """What the network by `scale` takes (N, 3, 16, H / scale, W / scale) in [-1, 1], the high views (N, 3, 16, H, W) in
    [0, 1], and the clips' targets.

    A pair is flipped where its box is, and not cut: a whole frame's low and high views are a pair as well.
    Of clips taken as recorded: high views are brought to H x W bicubically, those left out that have less than the
    option `pair_least` of it, but for the largest. Their low view is the high view brought to the network's size
    bicubically; or, by the option `pair_low`, the low view, where the network is for such a one.
    """
    assert batch.low is not None and batch.high is not None
    if isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor):
        number = len(batch.low)
        components = list(range(number))
        seen, high = module.prepared(batch.low[:, 0], scale), batch.high[:, 0]
    else:
        components = large(batch.high, module.size, float(options["pair_least"]))
        degraded = options["pair_low"] == "degraded"
        seen = torch.cat([taken(module, scale, batch.low[i], batch.high[i], degraded) for i in components])
        high = torch.cat([resized(batch.high[i], module.size) for i in components])
    target = batch.target[components]
    if batch.box is None:
        return seen, high, target
    flip = batch.box[components, 4].reshape(-1, 1, 1, 1, 1) > 0
    return torch.where(flip, seen.flip(-1), seen), torch.where(flip, high.flip(-1), high), target


def taken(module: SuperResolution, scale: int, low: Tensor, high: Tensor, degraded: bool) -> Tensor:
    """(1, 3, 16, h, w) of either, as the network by `scale` takes it."""
    return module.prepared(low if degraded and module.scale_of(low) == scale else high, scale)


def large(high: Sequence[Tensor] | Tensor, size: tuple[int, int], least: float) -> list[int]:
    """Which of (…, h, w) have `least` of the size or more; the largest where none does."""
    shares = [min(view.shape[-2] / size[0], view.shape[-1] / size[1]) for view in high]
    return [i for i, share in enumerate(shares) if share >= least] or [shares.index(max(shares))]
