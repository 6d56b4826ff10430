"""Spatial attention maps (CSTAT, eq. 1) and the temporal attention module (Fig. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.heads import MeanLogits
from elrbench_plugins.attention_transfer.unlike import real_units
from elrbench_plugins.distillation.unlike_maps import resized, volume

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Parts, Recognizer


def spatial_attention(stage: Tensor) -> Tensor:
    """Eq. 1: F(O) = sum over channels of |O|. Stage maps (N, C, [T,] h, w) -> (N, [T,] h, w), in float32."""
    return stage.float().abs().sum(1)


def vec(attention: Tensor, over_time: str = "keep") -> Tensor:
    """Vectorise attention maps: (N, [T,] h, w) -> (N, positions).

    over_time: what to do with the time axis of a 3D backbone; the paper does not say. "keep": positions are T*h*w.
    "mean": average over T first, so that positions are h*w.
    """
    if over_time == "mean" and attention.ndim == 4:
        attention = attention.mean(1)
    return attention.flatten(1)


def mean_over_real(values: Tensor, mask: Tensor) -> Tensor:
    """Return each clip's mean over its real intervals: (B, K) -> (B,)."""
    real = (mask > 0).to(values.dtype)
    return (values * real).sum(1) / real.sum(1)


class TemporalAttention(nn.Module):
    """Temporal attention module (Fig. 4) as a recognizer's head.

    The module weights the K features of a clip, sums them and applies the backbone's classifier to the sum. The
    classifier is affine and the weights sum to 1, so this equals the weighted sum of each interval's logits. The paper
    describes it both ways.

    activation: "relu" or "none", between the two layers. The paper names none.
    start: "uniform" sets the second layer to weight 0 and bias 1. All intervals then have equal weights, as in the mean
        over intervals that the student was trained with. Softmax ignores the bias, but eq. 3 does not: with bias 0 the
        compared vector would be 0, where the gradient of the cosine is unbounded. "default": as PyTorch.
    """

    def __init__(
        self,
        classifier: nn.Module,
        num_features: int,
        intervals: int,
        *,
        width: int = 64,
        activation: str = "relu",
        start: str = "uniform",
    ) -> None:
        super().__init__()
        self.intervals = intervals
        self.fc1 = nn.Linear(intervals * num_features, width)
        self.activation = nn.ReLU() if activation == "relu" else nn.Identity()
        self.fc2 = nn.Linear(width, intervals)
        if start == "uniform":
            nn.init.zeros_(self.fc2.weight)
            nn.init.ones_(self.fc2.bias)
        self.shared: tuple[nn.Module] = (
            classifier,
        )  # a tuple, so that it is registered, saved and counted with the backbone only

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits (B, C) and outputs of the layers, for features (B, K, F) and mask (B, K).

        The outputs are "fc1" (B, width) and "fc2" (B, K), before activation and softmax, and "weights" (B, K), which
        sum to 1 over the real intervals. ElrError if K is not the number of intervals that the module was built for.
        """
        if features.shape[1] != self.intervals:
            raise ElrError(
                f"the temporal attention module was built for {self.intervals} intervals and got "
                f"{features.shape[1]}; use a sampling with a fixed number of intervals, e.g. --sampling 4x1"
            )
        real = mask > 0  # (B, K)
        features = features * real.unsqueeze(-1)  # (B, K, F)
        fc1 = self.fc1(features.flatten(1))  # (B, width)
        fc2 = self.fc2(self.activation(fc1))  # (B, K)
        weights = fc2.float().masked_fill(~real, -torch.inf).softmax(1)  # (B, K)
        video = (features * weights.to(features.dtype).unsqueeze(-1)).sum(1)  # (B, F)
        return self.shared[0](video), {"fc1": fc1, "fc2": fc2, "weights": weights}


class SegmentAttention(TemporalAttention):
    """Temporal attention over M segments of a view, for a student whose teacher sees M intervals and it sees others.

    The paper's module weights K intervals, which teacher and student share. A student that sees all frames of a view as
    one interval has nothing to weight. Its last stage map is averaged over each of M equal parts of the view's time;
    `pool` turns each part into features, and the module weights these. With equal weights and average pooling, the
    logits are those of the mean over time. A segment that is shorter than one position of the map takes the position
    that contains it.
    """

    pooled = False

    def __init__(self, backbone: Any, num_features: int, intervals: int, **numbers: Any) -> None:
        super().__init__(backbone.get_classifier(), num_features, intervals, **numbers)
        self.pooling = (backbone,)  # a tuple, see `shared`

    def forward(self, maps: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return logits and outputs as `TemporalAttention`, for the student's last stage maps (B, K, C, [T,] h, w)."""
        clips = len(maps)
        seen = volume(maps.flatten(0, 1), clips)  # (B, C, K*T, h, w)
        parts = resized(seen, (self.intervals, *seen.shape[-2:])).transpose(1, 2).flatten(0, 1)  # (B*M, C, h, w)
        features = self.pooling[0].pool(parts if maps.ndim == 5 else parts.unsqueeze(2))  # (B*M, F)
        return super().forward(features.reshape(clips, self.intervals, -1), real_units(mask, clips * self.intervals))


def recognizer(parts: Parts) -> Recognizer:
    """Build the deployed model: backbone and temporal attention module, or mean of logits if deploys=student."""
    if parts.options["deploys"] == "student":
        return parts.assemble(MeanLogits(parts.backbone.get_classifier()))
    numbers: dict[str, Any] = {
        "width": int(parts.options["tam_width"]),
        "activation": str(parts.options["tam_activation"]),
        "start": str(parts.options["tam_start"]),
    }
    if parts.teacher_intervals != parts.intervals:
        return parts.assemble(SegmentAttention(parts.backbone, parts.num_features, parts.teacher_intervals, **numbers))
    classifier = parts.backbone.get_classifier()
    return parts.assemble(TemporalAttention(classifier, parts.num_features, parts.intervals, **numbers))
