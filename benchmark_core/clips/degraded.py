"""Degrade views while they are read: clips as recorded, and views that are cropped before degrading."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from torch import Tensor

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.errors import ElrError
from benchmark_core.specs import Target, Value, resolve
from benchmark_core.specs.target import target_name

Array = npt.NDArray[np.uint8]  # (K, 3, T, h, w)

SELF_FACTOR = 4.0  # a natively low clip is degraded again by a factor of 1 to 4
SELF_SHORTEST = 8  # pixels that its shorter side keeps at least


def degrade_again(bundle: Array, factor: float) -> Array:
    """Area-average a natively low clip (K, 3, T, h, w) by `factor`, or by less to keep 8 pixels on its shorter side."""
    height, width = bundle.shape[-2:]
    factor = max(1.0, min(factor, min(height, width) / SELF_SHORTEST))
    return _averaged(bundle, (round(height / factor), round(width / factor)))


def degrade_to(bundle: Array, side: int) -> Array:
    """Area-average a clip (K, 3, T, H, W) to a shorter side of `side` pixels; smaller clips are unchanged."""
    height, width = bundle.shape[-2:]
    factor = max(1.0, min(height, width) / side)
    return _averaged(bundle, (max(1, round(height / factor)), max(1, round(width / factor))))


def _averaged(bundle: Array, size: tuple[int, int]) -> Array:
    height, width = bundle.shape[-2:]
    if size == (height, width):
        return bundle
    intervals, _, frames = bundle.shape[:3]
    planes = tuple(bundle[:, channel].reshape(-1, height, width) for channel in range(3))
    small = to_grey_levels(reduce(Frames(planes=planes, colour="rgb"), size))  # (K*T, 3, h', w')
    again: Array = small.reshape(intervals, frames, 3, *size).swapaxes(1, 2)
    return again


def degrade_on_device(high: Tensor, view_plan: ViewPlan) -> Tensor:
    """Degrade float high views (B, K, 3, T, H, W) to low views (B, K, 3, T, h, w), both in [0, 1], on their device."""
    assert view_plan.degrade is not None and view_plan.low_size is not None
    return degrade_views(high, view_plan.degrade, view_plan.low_size, view_plan.options)


def degrade_views(high: Tensor, degrade: Target, low: tuple[int, int], options: Mapping[str, Value]) -> Tensor:
    """Degrade float high views (B, K, 3, T, H, W) to low views (B, K, 3, T, h, w) by the target `degrade`.

    Raises ElrError, naming the target, if it returns another shape.
    """
    frames = high.transpose(2, 3)  # (B, K, T, 3, H, W)
    made: Tensor = resolve(degrade)(frames.flatten(0, 2), low, options)
    expected = (frames.shape[:3].numel(), 3, *low)
    if made.shape != expected:
        raise ElrError(
            f"degradation '{target_name(degrade)}' returned shape {tuple(made.shape)}, expected {expected}; "
            "correct the plugin"
        )
    return made.reshape(*frames.shape[:3], *made.shape[1:]).transpose(2, 3)
