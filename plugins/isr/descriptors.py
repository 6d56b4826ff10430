"""Descriptors of each clip's low views under all transforms of the pool, on which transforms are chosen.

They are pooled time series of HOF and HOG, as the method's SVM has them, but on few cells, windows and frames, because
the selector is trained hundreds of times.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark_core.training.seeds import seeded
from elrbench_plugins.hof_svm.pot import Pot
from elrbench_plugins.isr.chosen import drawn_of
from elrbench_plugins.isr.grid import Pool
from elrbench_plugins.isr.options import POOL
from elrbench_plugins.lr_transforms.pool import repeat_frames, transformed

if TYPE_CHECKING:
    from benchmark_core.clips.derived import DerivedViews
    from benchmark_core.clips.views import Batch
    from elrbench import Training
    from elrbench_plugins.lr_transforms.transforms import Draw

REVISION = 2  # of the descriptors: raise it when they change
SAMPLING = "clip-16"  # frames, spread over the clip
CELLS, LEVELS = 3, 2  # cells along each side; 1 + 2 windows
SHORTEST = 48  # pixels of the shorter side, to which low views are enlarged by a whole number
AT_ONCE = 16  # transforms; bounds the memory of transformed high views


def descriptor() -> Pot:
    """Return the descriptor of a low view: 2 histograms x 4 values x 3 windows x 9 cells x 8 angles = 1,728."""
    with seeded("isr"):  # its classifier is not used
        return Pot(1, cells=CELLS, levels=LEVELS)


def described(training: Training, pool: Pool) -> DerivedViews:
    """Return the descriptors of the clips on which transforms are chosen: `derived` is (B, 1, P, F)."""
    low = training.components.degradation.low
    assert low is not None, "`check` refuses clips as recorded"
    options = training.options
    views = training.views(
        "train", low=True, high=True, sampling=SAMPLING, whole=True, most=int(options["selection_clips"])
    )
    network = descriptor()
    drawn = drawn_of(pool, low).to(training.device)
    found: DerivedViews = training.derive(
        "descriptors",
        functools.partial(describe, training.degrade, drawn, network),
        of=views,
        numbers={key: options[key] for key in POOL},
        shape=(len(pool), network.num_features),
        revision=REVISION,
    )
    return found


def describe(degrade: Callable[[Tensor], Tensor], drawn: Draw, network: nn.Module, batch: Batch) -> Tensor:
    """Return the descriptors (1, P, F) of one clip of one interval under P transforms.

    The noise of the made views depends on the clip's id alone, so that the order of clips does not matter.
    """
    with seeded("isr", batch.ids[0]):
        views = made_views(degrade, drawn, batch)
        found = [network.forward_features(enlarged(view[0]))[-1].flatten(1) for view in views]  # type: ignore[operator]
    return torch.stack(found, 1)


def made_views(degrade: Callable[[Tensor], Tensor], drawn: Draw, batch: Batch) -> list[Tensor]:
    """Return the low views of one clip under n transforms, n of (1, K, 3, T, h, w). The first is the stored one."""
    assert isinstance(batch.high, Tensor) and isinstance(batch.low, Tensor)
    views = [batch.low]
    for first in range(1, len(drawn.scale), AT_ONCE):
        part = drawn.take(slice(first, first + AT_ONCE))
        made = repeat_frames(degrade(transformed(batch.high, part)), batch.high)
        views += list(made.to(batch.low.dtype).split(1))
    return views


def enlarged(view: Tensor) -> Tensor:
    """Return views (N, 3, T, h, w), enlarged bilinearly so that the shorter side has `SHORTEST` pixels or more."""
    height, width = view.shape[-2:]
    factor = max(1, -(-SHORTEST // min(height, width)))
    frames = F.interpolate(
        view.transpose(1, 2).flatten(0, 1), (height * factor, width * factor), mode="bilinear", align_corners=False
    )
    return frames.unflatten(0, (view.shape[0], view.shape[2])).transpose(1, 2)
