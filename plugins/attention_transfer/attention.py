"""Where a network looks (eq. 1) and when (the temporal attention module, Fig. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.heads import MeanLogits

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Parts, Recognizer


def spatial_attention(stage: Tensor) -> Tensor:
    """Eq. 1, F = sum over channels of |O|: stage map (N, C, [T,] h, w) to (N, [T,] h, w), in float32."""
    return stage.float().abs().sum(1)


def vec(attention: Tensor, over_time: str = "keep") -> Tensor:
    """(N, [T,] h, w) to (N, positions).

    over_time: a 3D backbone's time axis, of which the paper is silent: "keep" makes it part of the positions (T·h·w),
    "mean" averages it away first (h·w).
    """
    if over_time == "mean" and attention.ndim == 4:
        attention = attention.mean(1)
    return attention.flatten(1)


def mean_over_real(values: Tensor, mask: Tensor) -> Tensor:
    """(B, K) to (B,): each clip's mean over its real intervals."""
    real = (mask > 0).to(values.dtype)
    return (values * real).sum(1) / real.sum(1)


class TemporalAttention(nn.Module):
    """TAM as a recognizer's head: features (B, K, F) and mask (B, K) to logits (B, C) and its taps.

    taps: fc1 (B, width) and fc2 (B, K), both as the layers give them, and weights (B, K), which sum to 1.
    The features' weighted sum is classified by the backbone's own classifier. As that is affine and the weights sum to
    1, it is the same as the weighted sum of each interval's logits: the paper's two wordings agree.

    activation: between the two layers; the paper names none. "relu" or "none".
    start: "uniform" sets the second layer to weight 0 and bias 1, so that a network that was trained with the mean over
    intervals starts where it stood. Softmax does not see the equal biases, but eq. 3 does: at bias 0 the tapped
    vector would be zero, where the cosine has no direction and its gradient no bound. "default" is PyTorch's draw.
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
        self.shared: tuple[nn.Module] = (classifier,)  # registered, saved and counted with the backbone alone

    def forward(self, features: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """See the class. ElrError where K is not the one that it was built for."""
        if features.shape[1] != self.intervals:
            raise ElrError(
                f"the temporal attention module was built for {self.intervals} intervals and got "
                f"{features.shape[1]}; ask for a sampling with a fixed number of intervals, e.g. --sampling 4x1"
            )
        real = mask > 0  # (B, K)
        features = features * real.unsqueeze(-1)  # (B, K, F)
        fc1 = self.fc1(features.flatten(1))  # (B, width)
        fc2 = self.fc2(self.activation(fc1))  # (B, K)
        weights = fc2.float().masked_fill(~real, -torch.inf).softmax(1)  # (B, K)
        video = (features * weights.to(features.dtype).unsqueeze(-1)).sum(1)  # (B, F)
        return self.shared[0](video), {"fc1": fc1, "fc2": fc2, "weights": weights}


def recognizer(parts: Parts) -> Recognizer:
    """The deployed model: the backbone under a temporal attention module; the S-Net alone takes the mean of logits."""
    if parts.options["deploys"] == "student":
        return parts.assemble(MeanLogits(parts.backbone.get_classifier()))
    return parts.assemble(
        TemporalAttention(
            parts.backbone.get_classifier(),
            parts.num_features,
            parts.intervals,
            width=int(parts.options["tam_width"]),
            activation=str(parts.options["tam_activation"]),
            start=str(parts.options["tam_start"]),
        )
    )
