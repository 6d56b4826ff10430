"""Low views that are made as they are read: of clips taken as recorded, or of a box cut before degrading."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from torch import Tensor

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.errors import ElrError
from benchmark_core.specs import resolve

Array = npt.NDArray[np.uint8]  # (K, 3, T, h, w)

SELF_FACTOR = 4.0  # a natively low clip is degraded again by 1 to this
SELF_SHORTEST = 8  # its shorter side stays at this many pixels or more


def degrade_again(bundle: Array, factor: float) -> Array:
    """A natively low clip (K, 3, T, h, w) area-averaged by `factor`, less where its shorter side would fall under 8."""
    height, width = bundle.shape[-2:]
    factor = max(1.0, min(factor, min(height, width) / SELF_SHORTEST))
    return _averaged(bundle, (round(height / factor), round(width / factor)))


def degrade_to(bundle: Array, side: int) -> Array:
    """A clip (K, 3, T, H, W) area-averaged to a shorter side of `side` pixels; itself where that is no larger."""
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
    """Low (B, K, 3, T, h, w) of float high (B, K, 3, T, H, W), both in [0, 1], by the degradation's device half."""
    assert view_plan.degrade is not None and view_plan.low_size is not None
    frames = high.transpose(2, 3)  # (B, K, T, 3, H, W)
    low: Tensor = resolve(view_plan.degrade)(frames.flatten(0, 2), view_plan.low_size, view_plan.options)
    due = (frames.shape[:3].numel(), 3, *view_plan.low_size)
    if low.shape != due:
        raise ElrError(f"the degradation gives {tuple(low.shape)} where {due} is due; its plugin must mend that")
    return low.reshape(*frames.shape[:3], *low.shape[1:]).transpose(2, 3)
