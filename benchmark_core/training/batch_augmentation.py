"""Augment and mix the batches of a training loop on the device, low and high views of a clip alike."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark_core.clips.augment import WHOLE, moved
from benchmark_core.clips.batch import Batch, View
from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.clips.mixing import draw_weights, has_labels, mixed_target, mixed_view, with_real_partners
from benchmark_core.clips.pixels import coloured, draw_rectangle, inside, turned
from benchmark_core.errors import ElrError
from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import AUGMENTATION, value_of

Whole = Callable[[Any], Any]  # rows of this process's clips -> rows of all clips of the batch
Change = Callable[[Tensor, slice], Tensor]  # a view of some clips, and which clips of the batch they are


@dataclass(frozen=True, kw_only=True)
class BatchAugmentation:
    """What `Training.epochs` changes in batches of augmented views; the numbers are those of `AUGMENTATION`.

    All frames and intervals of a clip, and its low and high view, get the same random numbers. The crop and its moves
    change the box, which networks cut after enhancement. Views are drawn with or without flips. Colours, erased
    rectangle and mixture change the views themselves; the box of a clip then crops the mixture. Views that are cropped
    before degradation have no box: shift and zoom then start from the whole view.
    """

    random_crop: str = "corners"
    random_flip: str = "half"
    random_shift: float = 0.0
    random_zoom: float = 0.0
    random_turn: str = "none"
    colour_jitter: float = 0.0
    erase_probability: float = 0.0
    mixup_alpha: float = 0.0
    cutmix_time: float = 0.0

    @classmethod
    def of(cls, options: Mapping[str, Value], without: Collection[str] = ()) -> BatchAugmentation:
        """Return the augmentation that a method's options set, `without` those that its loop does by itself."""
        asked = {key: value_of(options, key) for key in AUGMENTATION if key in options and key not in without}
        return cls(**asked)  # type: ignore[arg-type]

    @property
    def mixes(self) -> bool:
        """Whether clips are mixed, so that targets are shares of the classes."""
        return bool(self.mixup_alpha or self.cutmix_time)

    def check(self, *, batch: int, positions: int) -> None:
        """Raise ElrError if clips cannot be mixed. batch: clips per update; positions: frames of a view, K*T."""
        if self.mixes and batch < 2:
            raise ElrError(
                "method.mixup_alpha and method.cutmix_time mix the clips of a batch, which has 1 clip; pass --set "
                "method.batch=2 or more"
            )
        if self.cutmix_time and positions < 2:
            raise ElrError(
                "method.cutmix_time replaces some frames of a view, which has 1 frame; pass --set method.cutmix_time=0 "
                "or another --sampling"
            )

    def __call__(
        self,
        batch: Batch,
        rng: np.random.Generator,
        *,
        frames: int,
        classes: int,
        whole: Whole = lambda values: values,
    ) -> Batch:
        """Return the batch augmented. frames: T of the sampling. Targets of mixed clips are float (B, C).

        whole: see `RunStages.whole`. If several processes share the batch, each draws the numbers of all clips and uses
        those of its own, and a clip may be mixed with that of another process.
        """
        clips, own, device = batch.part.rows(len(batch.ids)), batch.part.of, batch.mask.device
        low, high, box, target = batch.low, batch.high, self._box(batch, rng), batch.target

        def drawn(values: object) -> Tensor:
            return torch.from_numpy(np.asarray(values, np.float32)).to(device)

        if self.random_turn != "none":
            step = 1 if self.random_turn == "quarter" else 2
            quarters = own(step * rng.integers(0, 4 // step, clips))

            def turn(view: Tensor, at: slice) -> Tensor:
                return turned(view, quarters[at])

            low, high = _change(low, turn), _change(high, turn)
        if self.colour_jitter:
            factors = drawn(own(rng.uniform(1 - self.colour_jitter, 1 + self.colour_jitter, (3, clips)), axis=1))

            def colours(view: Tensor, at: slice) -> Tensor:
                return coloured(view, *factors[:, at]) if view.shape[2] == 3 else view

            low, high = _change(low, colours), _change(high, colours)
        if self.erase_probability:
            erased = rng.random(clips) < self.erase_probability
            rectangles = drawn(own([draw_rectangle(rng) if erase else np.zeros(4) for erase in erased]))

            def erase(view: Tensor, at: slice) -> Tensor:
                hidden = inside(rectangles[at], view.shape[-2], view.shape[-1])
                return torch.where(hidden, _mean(view, batch.mask[at]), view)

            low, high = _change(low, erase), _change(high, erase)
        if self.mixes and has_labels(labels := whole(target)):
            numbers = draw_weights(
                rng,
                clips,
                batch.mask.shape[1],
                frames,
                mixup_alpha=self.mixup_alpha,
                cutmix_time=self.cutmix_time,
            )
            partner = rng.permutation(clips).tolist()
            weights = own(with_real_partners(drawn(numbers), whole(batch.mask), partner))
            partner = own(partner)
            low, high = (view if view is None else _mix(view, weights, partner, whole(view)) for view in (low, high))
            target = mixed_target(target, weights, batch.mask, partner, classes, labels)
        return replace(batch, low=low, high=high, box=box, target=target)

    def _box(self, batch: Batch, rng: np.random.Generator) -> Tensor | None:
        """Return the boxes (B, 5) with another crop, shift and zoom; as they are if no option asks for it."""
        moves = bool(self.random_shift or self.random_zoom)
        clips, own, box = len(batch.ids), batch.part.of, batch.box
        if box is None and not moves:
            return None
        whole = batch.mask.new_tensor(WHOLE).expand(clips, 5)
        if box is None:
            box = whole
        elif self.random_crop == "none":
            box = torch.cat([whole[:, :4], box[:, 4:]], 1)
        if not moves:
            return box
        every = batch.part.rows(clips)
        shift = own(rng.uniform(-self.random_shift, self.random_shift, (every, 2)))
        zoom = own(rng.uniform(1 - self.random_zoom, 1 + self.random_zoom, every))
        return moved(box, box.new_tensor(shift), box.new_tensor(zoom))


def _change(view: View | None, change: Change) -> View | None:
    """Apply `change` to views (B, K, C, T, h, w) at once, or to each clip (K, C, T, h_i, w_i) of a list."""
    if view is None:
        return None
    if isinstance(view, Tensor):
        return _like(view, change(view.as_subclass(Tensor), slice(None)))
    return [change(clip.unsqueeze(0), slice(number, number + 1))[0] for number, clip in enumerate(view)]


def _mix(view: View, weights: Tensor, partner: list[int], among: View) -> View:
    if not isinstance(view, Tensor):
        return mixed_view(view, weights, partner, among)
    assert isinstance(among, Tensor)
    made = mixed_view(view.as_subclass(Tensor), weights, partner, among.as_subclass(Tensor))
    assert isinstance(made, Tensor)
    return _like(view, made)


def _like(view: Tensor, made: Tensor) -> Tensor:
    """Return `made` as `Enhanced` if `view` is: networks then skip the enhancer."""
    return made.as_subclass(Enhanced) if isinstance(view, Enhanced) else made


def _mean(view: Tensor, mask: Tensor) -> Tensor:
    """Return the mean of each clip's channels over the intervals that it has: (B, 1, C, 1, 1, 1)."""
    means = view.mean((3, 4, 5)) * mask.unsqueeze(2)  # (B, K, C)
    means = means.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
    return means[:, None, :, None, None, None]
