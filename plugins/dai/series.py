"""The grey level of each pixel over time, as a backbone without weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark_core.clips.pixels import GREY

CELLS = (8, 6, 8)  # parts of the clip, rows and columns of the features for other methods
TINY = 1e-6  # intensity: root mean squares below it do not scale a clip


class PixelSeries(nn.Module):
    """Map clips (N, 3, T, h, w) in [0, 1] to series (N, 1, T, h, w), the only stage map.

    centre: `time` subtracts each pixel's mean over time, `clip` the mean of all pixels, `none` nothing.
    scale: `unit` divides a clip by its root mean square.
    """

    grey: Tensor

    def __init__(self, classes: int, *, centre: str = "time", scale: str = "none") -> None:
        super().__init__()
        self.centre, self.scale = centre, scale
        self.num_features = CELLS[0] * CELLS[1] * CELLS[2]
        self.classifier = nn.Linear(self.num_features, classes)
        self.register_buffer("grey", torch.tensor(GREY), persistent=False)

    def forward_features(self, clips: Tensor) -> list[Tensor]:
        """Return [(N, 1, T, h, w)]."""
        series = (clips.float() * self.grey[:, None, None, None]).sum(1, keepdim=True)
        if self.centre == "time":
            series = series - series.mean(2, keepdim=True)
        elif self.centre == "clip":
            series = series - series.mean((2, 3, 4), keepdim=True)
        if self.scale == "unit":
            series = series / series.square().mean((2, 3, 4), keepdim=True).sqrt().clamp_min(TINY)
        return [series]

    def pool(self, last: Tensor) -> Tensor:
        """Return averages of 8x6x8 cells, (N, 384), for methods that classify features."""
        return F.adaptive_avg_pool3d(last, CELLS).flatten(1)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer that other methods train."""
        return self.classifier

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits (N, classes)."""
        logits: Tensor = self.classifier(self.pool(self.forward_features(clips)[-1]))
        return logits


def pixel_series(classes: int, options: Mapping[str, Any] | None = None) -> PixelSeries:
    """Return the series. Options: `centre`, `scale`."""
    return PixelSeries(classes, **(options or {}))
