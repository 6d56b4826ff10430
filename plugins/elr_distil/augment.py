"""Make the low views of a batch from transformed high views, so that teacher and student see the same transform."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn import functional as F

from elrbench_plugins.elr_distil.options import uses_teachers
from elrbench_plugins.lr_transforms import transforms
from elrbench_plugins.lr_transforms.pool import repeat_frames
from elrbench_plugins.lr_transforms.transforms import Draw

if TYPE_CHECKING:
    from benchmark_core.clips.views import Batch, View
    from benchmark_core.training.training import Training

FINE = 4  # times the low size: without a teacher, high views are transformed at this size if they are larger


def transformed(training: Training, batch: Batch) -> Batch:
    """Return the batch with new low views for the share of clips that the option `transforms` names.

    High views of these clips are transformed, too, and they are not cropped in addition. On clips as recorded, which
    have no larger view, low views are transformed themselves.
    """
    options = training.options
    share = float(options["transforms"])
    if share == 0:
        return batch
    numbers = {key: float(options[f"transform_{key}"]) for key in ("shift", "scale", "angle", "drift")}
    low_size = training.components.degradation.low or training.plan.size
    clips = batch.part.rows(len(batch.ids))
    flip = 0.0 if options["random_flip"] == "none" else 0.5
    drawn = transforms.draw(training.rng, clips, low=low_size, share=share, flip=flip, **numbers).of(batch.part)
    drawn = drawn.to(training.device)
    high = batch.high
    if isinstance(high, Tensor) and not uses_teachers(options):
        high = reduced(high, low_size)
    high = None if high is None else moved(high, drawn)
    if training.components.degradation.crop == "none":
        assert batch.low is not None
        low: View = moved(batch.low, drawn)
    else:
        assert isinstance(high, Tensor) and isinstance(batch.high, Tensor) and isinstance(batch.low, Tensor)
        made = repeat_frames(training.degrade(high), batch.high)
        low = transforms.pick(drawn.made, made, batch.low)
    return replace(batch, low=low, high=high, box=transforms.boxes(drawn, batch.box))


def reduced(high: Tensor, low: tuple[int, int]) -> Tensor:
    """Return high views (B, K, 3, T, H, W), averaged by a whole number to at least `FINE` times the low size.

    An average of averages is the average, so that a transform costs less and loses nothing but the finest detail.
    """
    height, width = high.shape[-2:]
    factor = min(height // (FINE * low[0]), width // (FINE * low[1]))
    if factor < 2 or height % factor or width % factor:
        return high
    return F.avg_pool2d(high.flatten(0, 3), factor).unflatten(0, high.shape[:4])


def moved(view: View, drawn: Draw) -> View:
    """Return views with the clips in `drawn.made` transformed. Views may be a list of clips of different sizes."""
    if isinstance(view, Tensor):
        return transforms.pick(drawn.made, transforms.transform(view, drawn), view)
    return [moved_clip(clip, drawn.take(slice(number, number + 1))) for number, clip in enumerate(view)]


def moved_clip(clip: Tensor, drawn: Draw) -> Tensor:
    """Return one clip (K, C, T, h, w), transformed if `drawn`, of one clip, says so."""
    view = clip.unsqueeze(0)
    return transforms.pick(drawn.made, transforms.transform(view, drawn), view).squeeze(0)
