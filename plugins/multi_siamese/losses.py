"""The contrastive loss of 2n branches: n low views of one scene and n of another.

Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006: d² for a pair of one scene, and
max(0, margin - d)² for a pair of two scenes, with the Euclidean distance d of their embeddings.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

TINY = 1e-12  # squared distance below which its root has no gradient


def contrastive(embeddings: Tensor, margin: float, *, unit: bool, labels: Tensor | None = None) -> Tensor:
    """Return the loss of embeddings (B, n, E), n low views of each of B scenes: a scalar.

    It is the mean over pairs of one scene plus the mean over pairs of neighbouring scenes b and b + 1 (the last and the
    first are neighbours). unit: scale embeddings to length 1 first. labels: (B,) or (B, C); neighbours of one class
    are then left out.
    """
    scenes, views = embeddings.shape[:2]
    points = embeddings.float()
    if unit:
        points = F.normalize(points, dim=2)
    one, other = torch.triu_indices(views, views, 1, device=points.device)  # n (n - 1) / 2 pairs
    near = squared(points[:, one], points[:, other]).mean()
    if scenes < 2:
        return near
    apart = squared(points.unsqueeze(2), points.roll(-1, 0).unsqueeze(1))  # (B, n, n)
    far = (margin - apart.clamp_min(TINY).sqrt()).clamp_min(0).square().mean((1, 2))  # (B,)
    if labels is None:
        return near + far.mean()
    differs = (labels != labels.roll(-1, 0)).reshape(scenes, -1).any(1)  # (B,)
    return near + (far * differs).sum() / differs.sum().clamp_min(1)


def squared(one: Tensor, other: Tensor) -> Tensor:
    """Return squared distances along the last axis."""
    return (one - other).square().sum(-1)
