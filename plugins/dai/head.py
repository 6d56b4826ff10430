"""The nearest training clips as a head: from a clip's series to its logits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_core.specs import Value
from elrbench_plugins.dai.distance import distances
from elrbench_plugins.svm_head.precision import full_precision

if TYPE_CHECKING:
    from elrbench import Parts, Recognizer

TINY = 1e-12
WARPING = "its dynamic time warping is a loop over all pairs of frames; method.alignment=none and shift can be exported"


class NearestHead(nn.Module):
    """Map series (B, K, 1, T, h, w) to logits (B, C) by their distances to the training clips.

    frames: K * T. pixels: h * w. options: see `dai`.
    Buffers: `references` (N, frames, pixels), `labels` (N, C), 0 or 1. N is the option `references` until training, or
    weights that are loaded, determine it.
    """

    pooled = False
    references: Tensor
    labels: Tensor

    def __init__(
        self, *, frames: int, pixels: int, classes: int, options: Mapping[str, Value], single: bool = True
    ) -> None:
        super().__init__()
        self.distance, self.alignment = str(options["distance"]), str(options["alignment"])
        self.reach, self.neighbours = int(options["reach"]), int(options["neighbours"])
        self.single = single
        number = int(options["references"])
        self.register_buffer("references", torch.zeros(number, frames, pixels))
        self.register_buffer("labels", torch.zeros(number, classes))
        self.register_load_state_dict_pre_hook(_take_lengths)
        if self.alignment == "dtw":
            self.not_exportable = WARPING

    def fit_to(self, state: Mapping[str, Tensor]) -> None:
        """Take the number of references from `state`, whose names are this module's."""
        if "references" not in state or not state["references"].ndim:
            return
        number = len(state["references"])
        for name in ("references", "labels"):
            own: Tensor = getattr(self, name)
            if len(own) != number:
                self.register_buffer(name, own.new_zeros(number, *own.shape[1:]))

    def series(self, maps: Tensor) -> Tensor:
        """Return (B, frames, pixels) of maps (B, K, 1, T, h, w): the intervals follow each other."""
        return maps.float().squeeze(2).flatten(3).flatten(1, 2)

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, C). Computed in float32 under autocast, too. mask is all ones: K is fixed."""
        with full_precision(maps.device):
            near = distances(
                self.series(maps), self.references, distance=self.distance, alignment=self.alignment, reach=self.reach
            )
            return self.logits(near)

    def logits(self, near: Tensor) -> Tensor:
        """Return logits (B, C) of distances (B, N).

        One label: votes of the k nearest clips, minus d / (d + smallest d) for the distance d of a class's nearest
        clip; -1 for a class without clips. Several: votes for minus votes against a label, plus (e - d) / (e + d) for
        the nearest clips with the label, at d, and without it, at e.
        """
        has = (self.labels > 0).unsqueeze(0)  # (1, N, C)
        votes = min(self.neighbours, near.shape[1])
        nearest = near.topk(votes, 1, largest=False).indices  # (B, k)
        chosen = self.labels[nearest].sum(1)  # (B, C)
        far = torch.full_like(near, torch.inf).unsqueeze(2)
        inside = torch.where(has, near.unsqueeze(2), far).amin(1)  # (B, C)
        if self.single:
            least = near.amin(1, keepdim=True)
            return chosen - torch.where(inside.isinf(), 1.0, inside / (inside + least + TINY))
        outside = torch.where(has, far, near.unsqueeze(2)).amin(1)
        margin = (outside - inside) / (outside + inside + TINY)
        margin = torch.where(inside.isinf(), -1.0, torch.where(outside.isinf(), 1.0, margin))
        return 2 * chosen - votes + margin


def _take_lengths(module: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    assert isinstance(module, NearestHead)
    module.fit_to({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})


def recognizer(parts: Parts) -> Recognizer:
    """Return the series with a head without training clips."""
    _, frames, height, width = parts.map_shape()
    return parts.assemble(
        NearestHead(
            frames=parts.intervals * frames,
            pixels=height * width,
            classes=parts.classes,
            options=parts.options,
            single=parts.task == "single-label",
        )
    )
