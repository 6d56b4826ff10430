"""What both descriptors share: a backbone that computes one vector per clip and trains nothing but its classifier."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from elrbench_plugins.svm_head.precision import full_precision


class Descriptor(nn.Module, ABC):
    """Map clips (N, 3, T, H, W) in [0, 1] to vectors, which are the only stage map.

    features: length of the vector.
    """

    not_exportable = "it computes optical flow with OpenCV, on a number of frames that depends on the clip"

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.num_features = features
        self.classifier = nn.Linear(features, classes)

    @abstractmethod
    def describe(self, clip: Tensor) -> Tensor:
        """Return the descriptor (num_features,) of a clip (3, T, H, W)."""

    def get_classifier(self) -> nn.Module:
        """Return the linear layer that methods other than `hof-svm` train."""
        return self.classifier

    def forward_features(self, clips: Tensor) -> list[Tensor]:
        """Return [(N, num_features, 1, 1, 1)]."""
        with full_precision(clips.device):
            found = [self.describe(clip.float()) for clip in clips]
        return [torch.stack(found)[:, :, None, None, None]]

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, num_features), for (N, num_features, 1, 1, 1)."""
        return last.flatten(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (N, C)."""
        logits: Tensor = self.classifier(self.pool(self.forward_features(clips)[-1]))
        return logits
