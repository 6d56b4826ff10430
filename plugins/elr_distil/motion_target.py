"""Predict the optical flow of the high view from the low view, as an auxiliary task of the student.

Motion at high resolution as a training signal for a network on pictures: Crasto et al., MARS: Motion-Augmented RGB
Stream for Action Recognition, CVPR 2019, who imitate features of a flow network; Zhu et al., Hidden Two-Stream
Convolutional Networks, ACCV 2018, who predict flow. Here flow of the high view is the target of a small decoder on one
stage map of the student. The deployed network has no decoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.distillation.map_loss import resized
from elrbench_plugins.elr_distil.flow import flow_at
from elrbench_plugins.elr_distil.options import FINER

if TYPE_CHECKING:
    from collections.abc import Sequence

HIDDEN = 32  # channels of the decoder


def target_flow(high: Tensor, low: Sequence[int]) -> Tensor:
    """Return the flow (B*K, 2, T, h, w) of high views (B, K, 3, T, H, W), in low pixels, right and down.

    The high view is averaged to twice the low size; the flow of this is averaged to the low size.
    """
    flow = flow_at(high, [FINER * cells for cells in low])
    height, width = flow.shape[-2:]
    shrink = flow.new_tensor([low[1] / width, low[0] / height]).reshape(2, 1, 1, 1)
    return F.adaptive_avg_pool2d(flow.flatten(1, 2), list(low)).unflatten(1, flow.shape[1:3]) * shrink


class FlowDecoder(nn.Module):
    """Two convolutions from a stage map to flow at the low size. channels: of the map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv3d(channels, HIDDEN, 1)
        self.predict = nn.Conv3d(HIDDEN, 2, 3, padding=1)

    def forward(self, stage: Tensor, size: tuple[int, int, int]) -> Tensor:
        """Return flow (N, 2, T, h, w) of the given size for a map (N, C, T', h', w')."""
        return self.predict(resized(F.gelu(self.reduce(stage)), size))


def flow_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean smooth L1 distance, quadratic below one low pixel."""
    return F.smooth_l1_loss(predicted.float(), target.float())
