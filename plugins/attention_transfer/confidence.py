"""What the transfer does with a confidence map (CSTAT, section III.C.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from elrbench_plugins.attention_transfer.attention import mean_over_real


def straight_through_threshold(confidence: Tensor, threshold: float) -> Tensor:
    """C where it reaches the threshold, 0 elsewhere; the gradient is that of C (straight-through)."""
    kept = confidence * (confidence >= threshold)
    return confidence + (kept - confidence).detach()


def pool_to_stage(confidence: Tensor, shape: Sequence[int]) -> Tensor:
    """A map (N, [T,] H, W) averaged down to a stage's ([T_i,] h_i, w_i): (N, [T_i,] h_i, w_i)."""
    average: Callable[..., Tensor] = adaptive_avg_pool2d if len(shape) == 2 else adaptive_avg_pool3d
    return average(confidence.unsqueeze(1), tuple(shape)).squeeze(1)


def video_score(confidence: Tensor, mask: Tensor, threshold: float) -> Tensor:
    """The temporal confidence of each clip, (B,).

    Per interval, the share of un-lost pixels within the high-information area (C >= threshold): a pixel is un-lost to
    the degree C, so the share is C's mean there, and 0 without such an area. Then the mean over the real intervals.
    It weighs the temporal term and is not trained by it: E would lower the score instead of the distance.
    """
    flat = confidence.detach().flatten(1)  # (B*K, pixels)
    area = (flat >= threshold).to(flat.dtype)
    share = (flat * area).sum(1) / area.sum(1).clamp(min=1)  # (B*K,)
    return mean_over_real(share.reshape(mask.shape), mask)


def spread(confidence: Tensor) -> Tensor:
    """Entropy of the maps as distributions over pixels, as a share of the uniform one's: 0 is a single pixel."""
    flat = confidence.detach().flatten(1)  # (N, pixels)
    share = flat / flat.sum(1, keepdim=True).clamp(min=1e-12)
    entropy = -torch.special.xlogy(share, share).sum(1)
    return (entropy / torch.tensor(float(flat.shape[1])).log()).mean()
