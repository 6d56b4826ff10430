"""The motion teacher: the student's backbone on the optical flow of the high view.

The temporal stream of Simonyan & Zisserman, Two-Stream Convolutional Networks for Action Recognition in Videos, NeurIPS
2014. Flow is computed on the device from high views averaged to twice the low size, so that the network has the
student's cost, and its maps have the student's channels.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmark_core.clips.augment import cut
from benchmark_core.networks.heads import MeanLogits
from benchmark_core.training.seeds import seeded
from elrbench_plugins.elr_distil.flow import flow_at
from elrbench_plugins.elr_distil.options import FINER

if TYPE_CHECKING:
    from benchmark_core.training.training import Training

BOUND = 4.0  # pixels at twice the low size; larger displacements are clipped, then scaled to [-1, 1]


class MotionStream(nn.Module):
    """Logits of high views from their optical flow: right, down and length of each displacement.

    backbone: a network of clips with three channels. size: (H, W) at which flow is computed.
    """

    def __init__(self, backbone: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = MeanLogits(backbone.get_classifier())
        self.size = size

    def last_map(self, high: Tensor, mask: Tensor, box: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return logits (B, C) and the last map (B*K, C', T', h, w) of high views (B, K, 3, T, H, W)."""
        intervals = high.shape[1]
        flow = (flow_at(high, self.size) / BOUND).clamp(-1, 1)  # (B*K, 2, T, h, w)
        if box is not None:
            flow = cut(flow, box.repeat_interleave(intervals, 0), flow=True)
        motion = torch.cat([flow, flow.square().sum(1, keepdim=True).sqrt()], 1)
        last: Tensor = self.backbone.forward_features(motion)[-1]
        features = self.backbone.pool(last).unflatten(0, (-1, intervals))  # (B, K, F)
        return self.head(features, mask), last

    def forward(self, high: Tensor, mask: Tensor, box: Tensor | None = None) -> Tensor:
        """Return logits (B, C)."""
        return self.last_map(high, mask, box)[0]


def motion_stream(training: Training) -> MotionStream:
    """Return a new motion stream for the plan's classes and low size, on the device."""
    spec, low = training.components.backbone, training.components.degradation.low
    assert low is not None, "the method's check refuses clips as recorded"
    meta = training.device.type == "meta"
    with seeded(training.plan.seed, "motion"), training.device if meta else nullcontext():
        backbone = spec.build(training.classes, training.components.options(training.plan, "backbone"))
    stream: MotionStream = training.to_device(MotionStream(backbone, (FINER * low[0], FINER * low[1])))
    return stream


def fit_motion(training: Training, stream: MotionStream) -> None:
    """Train `stream` in place on labels and high views for `epochs`."""
    epochs = int(training.options["epochs"])
    views = training.views("train", low=False, high=True)
    recipe = training.recipe(stream, views, epochs)
    for batch in training.epochs(views, epochs, state=[stream, recipe]):
        with training.autocast():
            logits = stream(batch.high, batch.mask, batch.box)  # (B, C)
        loss = training.task_loss(logits, batch.target)
        recipe.step(loss)
        training.log(loss=loss)
