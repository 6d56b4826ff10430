"""Mix the clips of a batch with each other, frame by frame: mixup, and CutMix over time.

Every frame of a clip has a weight, the clip's own share; its partner's frame at the same position has the rest. Low and
high views get the same weights, and the label the mean weight of the clip's frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from benchmark_core.clips.batch import View
from benchmark_core.clips.sampling import middle


def draw_weights(
    rng: np.random.Generator, clips: int, intervals: int, frames: int, *, mixup_alpha: float, cutmix_time: float
) -> npt.NDArray[np.float32]:
    """Draw the clips' own shares of their frames: (B, K, T).

    cutmix_time: probability that some consecutive frames are the partner's: 1 to K*T - 1 of the clip's K*T frames, each
        number equally likely. mixup_alpha: a; the other clips have one share from Beta(a, a), or 1 if a is 0.
    """
    total = intervals * frames
    weights = np.ones((clips, total), np.float32)
    if mixup_alpha:
        weights *= rng.beta(mixup_alpha, mixup_alpha, (clips, 1)).astype(np.float32)
    if cutmix_time:
        cuts = rng.random(clips) < cutmix_time
        counts = rng.integers(1, total, clips)
        starts = (rng.random(clips) * (total - counts + 1)).astype(int)
        at = np.arange(total)
        replaced = (at >= starts[:, None]) & (at < (starts + counts)[:, None])
        weights = np.where(cuts[:, None], 1 - replaced.astype(np.float32), weights)
    return weights.reshape(clips, intervals, frames)


def with_real_partners(weights: Tensor, mask: Tensor, partner: Sequence[int]) -> Tensor:
    """Return weights (B, K, T) that are 1 in intervals which the partner does not have. mask: (B, K)."""
    absent = (mask[list(partner)] == 0).unsqueeze(2)
    return torch.where(absent, torch.ones_like(weights), weights)


def mixed_view(view: View, weights: Tensor, partner: Sequence[int], among: View | None = None) -> View:
    """Mix views (B, K, C, T, h, w), or a list of clips (K, C, T, h_i, w_i).

    weights: (B, K, T). If views have more frames, the T frames are in their middle, and the frames before and after
    have the weight of the nearest. partner: for each clip the other clip's index in `among`, by default in `view`. In a
    list, the partner is resized to the clip's size.
    """
    others = view if among is None else among
    wide = view.shape[3] if isinstance(view, Tensor) else view[0].shape[2]
    frames = weights.shape[2]
    nearest = (torch.arange(wide, device=weights.device) - middle(wide, frames)).clamp(0, frames - 1)
    own = weights[:, :, None, nearest, None, None]  # (B, K, 1, T, 1, 1)
    if isinstance(view, Tensor):
        assert isinstance(others, Tensor)
        return own * view + (1 - own) * others[list(partner)]
    return [
        own[number] * clip + (1 - own[number]) * _resized(others[other], clip.shape[-2:])
        for number, (clip, other) in enumerate(zip(view, partner, strict=True))
    ]


def _resized(clip: Tensor, size: Sequence[int]) -> Tensor:
    """Return (K, C, T, *size), bilinear with anti-aliasing."""
    if clip.shape[-2:] == size:
        return clip
    flat = interpolate(clip.flatten(0, 2).unsqueeze(1), tuple(size), mode="bilinear", antialias=True)
    return flat.reshape(*clip.shape[:3], *size)


def mixed_target(
    target: Tensor, weights: Tensor, mask: Tensor, partner: Sequence[int], classes: int, among: Tensor | None = None
) -> Tensor:
    """Return shares of the classes, float (B, C), of targets int64 (B,) or float (B, C).

    A clip's own share is the mean of its weights (B, K, T) over the intervals that it has by mask (B, K).
    partner: for each clip the other clip's index in `among`, by default in `target`.
    """
    shares, others = (
        each if each.is_floating_point() else one_hot(each, classes).float()
        for each in (target, target if among is None else among)
    )
    own = ((weights.mean(2) * mask).sum(1) / mask.sum(1).clamp(min=1)).unsqueeze(1)  # (B, 1)
    return own * shares + (1 - own) * others[list(partner)]


def has_labels(target: Tensor) -> bool:
    """Return whether the clips of a batch have labels: no target is -1, or a multi-label batch has any label."""
    if target.device.type == "meta":  # a tensor without content
        return True
    return bool(target.any() if target.is_floating_point() else (target >= 0).all())
