"""Batches of views: uint8 on the host, float on the device.

Pictures are (B, K, 3, T, h, w) in [0, 1]. Flow is (B, K, 2, T, H, W) in [-1, 1], right and down: 0 is no motion, ±1 is
`flow_format.BOUND` pixels at network size.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_core.clips.augment import Box, Jitter, draw_box
from benchmark_core.clips.batch import ALL, Batch, HostBatch, Part, View
from benchmark_core.clips.clip_views import ClipViews, mirror_some
from benchmark_core.clips.degraded import SELF_FACTOR, degrade_again, degrade_on_device, degrade_to
from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.clips.flow_format import LEVELS
from benchmark_core.clips.prefetch import prefetch
from benchmark_core.clips.sampling import WHOLE, Sampling, middle
from benchmark_core.clips.store import ClipReader, ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.specs.index import Clip

Array = npt.NDArray[np.uint8]  # (K, 3, T, h, w)

__all__ = ["Batch", "HostBatch", "View", "Views"]


class Views:
    """Views of clips in the store.

    The frames and the box of a clip in an epoch depend only on the seed, the epoch and the clip's id: not on the batch
    size, and not on whether low views, high views or both are read.

    low, high: which views to read.
    train: random frames and boxes (whole frames if `jitter` is None); the last partial batch is dropped unless it is
        the only one. Otherwise: central frames, whole views, every clip.
    widen: number of frames that the enhancer takes at once. Low views have T rounded up to a multiple of it, with the
        frames of the sampling in the middle.
    sides: shorter sides, in pixels, of the clips that these replace. If low and high views of natively low clips are
        read, low views are degraded to one of these sides; by default, by a random factor (see `degrade_again`).
    test_views: crops in time and mirrored copies of each clip, without `train`. K is then the number of intervals of
        all views, view by view; mirrored ones come last.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        store: ClipStore,
        view_plan: ViewPlan,
        *,
        sampling: Sampling,
        classes: int,
        multi_label: bool = False,
        low: bool = True,
        high: bool = False,
        train: bool = False,
        jitter: Jitter | None = None,
        seed: int = 0,
        widen: int = 1,
        sides: Sequence[int] = (),
        test_views: ClipViews = WHOLE,
    ) -> None:
        self.clips = tuple(clips)
        self.view_plan = view_plan
        self.sampling = sampling
        self.classes = classes
        self.multi_label = multi_label
        self.low = low
        self.high = high
        self.train = train
        self.jitter = jitter
        self.seed = seed
        self.widen = widen
        self.sides = tuple(sides)
        self.test_views = WHOLE if train else test_views
        self.labelled = True  # false: clips whose labels are unknown, on which no epoch is scored
        before = view_plan.crop == "before"
        self._low = store.reader(view_plan.low) if low and view_plan.low is not None else None
        self._high = store.reader(view_plan.high) if (high or before) and view_plan.high is not None else None

    def __len__(self) -> int:
        return len(self.clips)

    def steps(self, batch: int) -> int:
        """Return the number of batches in an epoch."""
        whole, rest = divmod(len(self.clips), batch)
        return whole if self.train and whole else whole + bool(rest)

    @property
    def padded(self) -> int:
        """Number of clips that are too short for the sampling, so that their last frame is repeated."""
        reader = self._any_reader()
        return sum(self.sampling.pads(reader.count(clip)) for clip in self.clips)

    def whole_windows(self) -> list[int]:
        """Return for each clip how many of its windows repeat no frame; 1 if it is shorter than a window."""
        return [max(self._any_reader().count(clip) // self.sampling.t, 1) for clip in self.clips]

    def batches(
        self, batch: int, *, epoch: int = 0, shuffle: bool | None = None, part: Part = ALL, turns: Part = ALL
    ) -> Iterator[HostBatch]:
        """Yield the batches of one epoch, read ahead in threads. shuffle: by seed and epoch; default: `train`.

        part: read only the clips `part.rank`, `part.rank + part.size`, … of each batch. turns: only such batches.
        """
        order = np.arange(len(self.clips))
        if self.train if shuffle is None else shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.clips))
        chunks = [order[first : first + batch] for first in range(0, len(order), batch)][: self.steps(batch)]
        return prefetch(
            partial(self.read, [self.clips[number] for number in part.share(chunk)], epoch, part.of_batch(len(chunk)))
            for chunk in turns.share(chunks)
        )

    def read(self, clips: Sequence[Clip], epoch: int = 0, part: Part = ALL) -> HostBatch:
        """Return one batch of the given clips, in their order. part: which clips of a batch they are."""
        return replace(self._batch([self._draw(clip, epoch) for clip in clips], epoch), part=part)

    def pieces(self, clip: Clip, most: int) -> Iterator[HostBatch]:
        """Yield batches of one clip with at most `most` intervals each: a clip may have hundreds."""
        drawn = self._draw(clip, 0)
        for first in range(0, len(drawn.mask), most):
            part = slice(first, first + most)
            piece = {name: getattr(drawn, name)[part] for name in ("numbers", "mask", "mirrored")}
            yield self._batch([replace(drawn, **piece)], 0)

    def _batch(self, drawn: list[_Drawn], epoch: int) -> HostBatch:
        most = max(len(one.mask) for one in drawn)
        mask = np.stack([_pad(one.mask, most) for one in drawn])
        low = high = None
        if self.view_plan.crop == "before":
            assert self._high is not None
            high = [self._crop(self._bundle(self._high, one, wide=self.low), one) for one in drawn]
        elif self.view_plan.crop == "none" and self.low and self.high and self.train:
            assert self._high is not None
            wide = [self._bundle(self._high, one, wide=True) for one in drawn]
            high = [self._middle(bundle) for bundle in wide]
            low = [self._again(bundle, one.chance) for bundle, one in zip(wide, drawn, strict=True)]
        else:
            low = None if self._low is None else [self._bundle(self._low, one, wide=True) for one in drawn]
            high = None if self._high is None else [self._bundle(self._high, one) for one in drawn]
        boxes = [one.box for one in drawn if one.box is not None and self.view_plan.crop != "before"]
        return HostBatch(
            low=self._collate(low, most),
            high=self._collate(high, most),
            mask=torch.from_numpy(mask),
            box=torch.from_numpy(np.stack(boxes)) if boxes else None,
            target=self.targets([one.clip for one in drawn]),
            ids=tuple(one.clip.id for one in drawn),
            epoch=epoch,
        )

    def to_device(self, batch: HostBatch, device: torch.device | str) -> Batch:
        """Move a batch to the device as float. If views are cropped before degrading, low views are made there."""
        low, high = (_to_float(view, device, flow=self.view_plan.flow) for view in (batch.low, batch.high))
        if self.view_plan.crop == "before" and isinstance(high, Tensor):
            low = degrade_on_device(high, self.view_plan) if self.low else None
            high = self._middle(high) if self.high else None
        if self.view_plan.enhanced and isinstance(low, Tensor):
            low = low.as_subclass(Enhanced)
        return Batch(
            low=low,
            high=high,
            mask=batch.mask.to(device),
            box=None if batch.box is None else batch.box.to(device),
            target=batch.target.to(device),
            ids=batch.ids,
            epoch=batch.epoch,
            part=batch.part,
        )

    def without_flips(self) -> Views:
        """Return views of the same clips, frames and boxes, of which none is mirrored in training."""
        views = copy.copy(self)
        views.jitter = None if self.jitter is None else replace(self.jitter, flip=0.0)
        return views

    def centred(self) -> Views:
        """Return views of the same clips, frames and boxes; those stored with a margin are cropped at the centre."""
        views = copy.copy(self)
        views.jitter = None if self.jitter is None else replace(self.jitter, moves=False)
        return views

    def _any_reader(self) -> ClipReader:
        reader = self._low or self._high
        assert reader is not None
        return reader

    def _draw(self, clip: Clip, epoch: int) -> _Drawn:
        """Draw the random numbers of a clip, always in this order: frames, box, position, chance."""
        count = self._any_reader().count(clip)
        if not self.train:
            numbers, mask = self.sampling.numbers(count, None, self.test_views)
            return _Drawn(clip, numbers, mask, self.test_views.mirrored(len(mask)))
        name = int.from_bytes(hashlib.sha256(clip.id.encode()).digest()[:8], "big")
        rng = np.random.default_rng([self.seed, epoch, name])
        numbers, mask = self.sampling.numbers(count, rng)
        box = None if self.jitter is None else draw_box(rng, self.jitter)
        position = (0.5, 0.5)
        if self.jitter is not None:
            drawn = (float(rng.random()), float(rng.random()))
            position = drawn if self.jitter.moves else position
        return _Drawn(clip, numbers, mask, WHOLE.mirrored(len(mask)), box, position, float(rng.random()))

    def _again(self, bundle: Array, chance: float) -> Array:
        if not self.sides:
            return degrade_again(bundle, 1 + (SELF_FACTOR - 1) * chance)
        return degrade_to(bundle, self.sides[int(chance * len(self.sides))])

    def _bundle(self, reader: ClipReader, drawn: _Drawn, *, wide: bool = False) -> Array:
        """Read (K, 3, T, h, w). wide: T is widened for the enhancer."""
        numbers = drawn.numbers
        if wide:
            numbers = self.sampling.widen(numbers, reader.count(drawn.clip), self.widen)
        frames = reader.frames(drawn.clip, numbers.ravel().tolist())  # (K*T, 3, h, w)
        bundle: Array = frames.reshape(*numbers.shape, *frames.shape[1:]).swapaxes(1, 2)
        return mirror_some(bundle, drawn.mirrored, flow=self.view_plan.flow)

    def _middle(self, view: Any) -> Any:
        """Return the sampling's T frames of a widened view (…, T, h, w)."""
        first = middle(view.shape[-3], self.sampling.t)
        return view[..., first : first + self.sampling.t, :, :]

    def _crop(self, stored: Array, drawn: _Drawn) -> Array:
        """Crop a stored view with margin to (K, 3, T, H, W), at whole pixels, and flip it if the box says so."""
        height, width = self.view_plan.size
        top = int(drawn.position[0] * (stored.shape[-2] - height + 1))
        left = int(drawn.position[1] * (stored.shape[-1] - width + 1))
        seen = stored[..., top : top + height, left : left + width]
        return seen[..., ::-1] if drawn.box is not None and drawn.box[4] else seen

    def _collate(self, bundles: list[Array] | None, most: int) -> View | None:
        if bundles is None:
            return None
        if self.view_plan.crop == "none":
            return [torch.from_numpy(np.ascontiguousarray(_pad(bundle, most))) for bundle in bundles]
        return torch.from_numpy(np.stack([_pad(bundle, most) for bundle in bundles]))

    def targets(self, clips: Sequence[Clip]) -> Tensor:
        """Return int64 (B,), -1 for clips without labels; for multi-label datasets float (B, C) of zeros and ones."""
        if not self.multi_label:
            return torch.tensor([-1 if clip.target is None else clip.target for clip in clips], dtype=torch.int64)
        target = torch.zeros(len(clips), self.classes)
        for row, clip in enumerate(clips):
            target[row, list(clip.labels)] = 1
        return target


@dataclass(frozen=True)
class _Drawn:
    """Random numbers of a clip in an epoch.

    mirrored: intervals that are test views of the mirrored clip.
    position: (down, right) of the crop before degrading, 0 to 1.
    chance: 0 to 1, how far a natively low clip is degraded again.
    """

    clip: Clip
    numbers: npt.NDArray[np.int64]  # (K, T)
    mask: npt.NDArray[np.float32]  # (K,)
    mirrored: npt.NDArray[np.bool_]  # (K,)
    box: Box | None = None
    position: tuple[float, float] = (0.5, 0.5)
    chance: float = 0.0


def _pad(array: npt.NDArray[np.generic], most: int) -> npt.NDArray[np.generic]:
    """Append zeros along the first axis up to `most` entries: intervals that the mask excludes."""
    if len(array) == most:
        return array
    return np.concatenate([array, np.zeros((most - len(array), *array.shape[1:]), array.dtype)])


def _to_float(view: View | None, device: torch.device | str, *, flow: bool) -> View | None:
    """Convert uint8 to float: grey levels to [0, 1]; flow levels, where 128 is no motion, to [-1, 1]."""
    if view is None:
        return None
    if isinstance(view, Tensor):
        levels = view.to(device).float()
        return levels.sub_(128).div_(LEVELS) if flow else levels.div_(255)
    return [clip.to(device).float().div_(255) for clip in view]
