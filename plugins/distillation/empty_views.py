"""Views of one clip without content, to find the shapes of a network's maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark_core.clips.modality import channels, kind
from benchmark_core.clips.sampling import Sampling

if TYPE_CHECKING:
    from benchmark_core.training.training import Training


def empty_low_view(training: Training) -> Tensor:
    """Return a low view of one clip without content, (1, K, 3, T, h, w), or flow (1, K, 2, T, H, W)."""
    plan, sampling = training.plan, Sampling.parse(training.plan.sampling)
    if kind(plan.modality) == "flow":
        frames, size = sampling.t, plan.size
    else:
        frames = sampling.widened(training.components.enhancer.frames)
        size = training.components.degradation.low or plan.size
    return torch.zeros(1, sampling.k, channels(plan.modality), frames, *size, device=training.device)


def empty_high_view(training: Training) -> Tensor:
    """Return a high view of one clip without content, (1, K, 3, T, H, W), or flow (1, K, 2, T, H, W)."""
    plan, sampling = training.plan, Sampling.parse(training.plan.sampling)
    return torch.zeros(1, sampling.k, channels(plan.modality), sampling.t, *plan.high_size, device=training.device)
