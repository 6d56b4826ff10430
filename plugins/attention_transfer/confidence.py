"""How the transfer uses a confidence map (CSTAT, section III.C.2). `cstat/confidence.py` makes the maps.

`gate.py` is the path from the classification loss to a trained map.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from elrbench_plugins.attention_transfer.attention import mean_over_real

SAME = 24 / 255  # section IV.B: a smaller difference, as a share of the grey levels, counts as no loss


def straight_through_threshold(confidence: Tensor, threshold: float, binary: bool = False) -> Tensor:
    """Return C where it reaches the threshold, 0 elsewhere. The gradient is that of C (straight-through).

    binary: return 1 instead of C (section III.C.1: the inverse of a binary map of the loss).
    """
    area = confidence >= threshold
    kept = area.to(confidence.dtype) if binary else confidence * area
    return confidence + (kept - confidence).detach()


def pool_to_stage(confidence: Tensor, shape: Sequence[int]) -> Tensor:
    """Average a map (N, [T,] H, W) down to the size of a stage map, `shape` = ([T_i,] h_i, w_i)."""
    average: Callable[..., Tensor] = adaptive_avg_pool2d if len(shape) == 2 else adaptive_avg_pool3d
    return average(confidence.unsqueeze(1), tuple(shape)).squeeze(1)


def video_score(confidence: Tensor, mask: Tensor, threshold: float, how: str = "mean", same: float = SAME) -> Tensor:
    """Return the temporal confidence of each clip, (B,).

    The paper takes "the ratio of the pixels without losing information in all the high-informative area". The area is
    where C >= threshold. The score of a clip is the mean over its real intervals. It has no gradient: otherwise a
    trained extractor would lower the score instead of the distance.

    how: "mean": the mean of C in the area, as C is the degree to which a pixel has no loss; 0 if the area is empty.
        "ratio": as printed, the share of the area's pixels whose loss 1 - C is 0 or below `same`.
        "area": the share of the interval's pixels that are in the area. With a binary map, every pixel of the area is
        without loss, so that the printed ratio would always be 1.
    confidence: (B*K, [T,] H, W), before the threshold. mask: (B, K).
    """
    flat = confidence.detach().flatten(1)  # (B*K, pixels)
    area = (flat >= threshold).to(flat.dtype)
    if how == "area":
        share = area.mean(1)  # (B*K,)
    else:
        loss = 1 - flat
        counted = flat if how == "mean" else ((loss < same) | (loss <= 0)).to(flat.dtype)
        share = (counted * area).sum(1) / area.sum(1).clamp(min=1)  # (B*K,)
    return mean_over_real(share.reshape(mask.shape), mask)


def spread(confidence: Tensor) -> Tensor:
    """Return the maps' entropy over pixels relative to a uniform map, mean over maps. 0: all on one pixel; 1: uniform.

    confidence: (N, [T,] H, W). A logged statistic, without gradient.
    """
    flat = confidence.detach().flatten(1)  # (N, pixels)
    share = flat / flat.sum(1, keepdim=True).clamp(min=1e-12)
    entropy = -torch.special.xlogy(share, share).sum(1)
    return (entropy / torch.tensor(float(flat.shape[1])).log()).mean()
