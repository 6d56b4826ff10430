"""A recognizer of several backbones. It averages the probabilities of their own classifiers."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.networks.heads import HEADS, mean_probability
from benchmark_core.networks.losses import Task
from elrbench import Parts, Recognizer


class Members(nn.Module):
    """Backbones of one architecture as one backbone: the channels of their maps are concatenated."""

    def __init__(self, members: Sequence[Any]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    @property
    def num_features(self) -> int:
        """Features of all members."""
        return sum(int(member.num_features) for member in self.members)  # type: ignore[arg-type]

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return stage maps (N, members * C_i, [T_i,] h_i, w_i) of x (N, C, [T,] H, W)."""
        maps = [member.forward_features(x) for member in self.members]  # type: ignore[operator]
        return [torch.cat(stage, 1) for stage in zip(*maps, strict=True)]

    def pool(self, last: Tensor) -> Tensor:
        """Return features (N, members * F) of the last maps."""
        shares = last.chunk(len(self.members), 1)
        pooled = [member.pool(share) for member, share in zip(self.members, shares, strict=True)]  # type: ignore[operator]
        return torch.cat(pooled, 1)

    def get_classifier(self) -> nn.Module:
        """Return the classifier of the first member."""
        first: nn.Module = self.members[0].get_classifier()  # type: ignore[operator]
        return first


class MeanOfMembers(nn.Module):
    """Each member's mean of logits over intervals, then the mean of the members' probabilities, as logits.

    The softmax (sigmoid) of the result is the mean (1/M) Σ p_m(y | x), Lakshminarayanan et al., section 2.4.
    """

    def __init__(self, classifiers: Sequence[nn.Module], task: Task) -> None:
        super().__init__()
        self.task = task
        self.heads = nn.ModuleList(HEADS["mean-logits"](classifier, task) for classifier in classifiers)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Map features (B, K, members * F) and mask (B, K) to logits (B, C)."""
        shares = features.chunk(len(self.heads), -1)
        logits = torch.stack([head(share, mask) for head, share in zip(self.heads, shares, strict=True)], 1)
        return mean_probability(logits, torch.ones_like(logits[..., :1], dtype=torch.bool), self.task)


def recognizer(parts: Parts) -> Recognizer:
    """Return the recognizer of all members, with equal weights until each member's own are loaded."""
    backbone: Any = parts.backbone
    members = [backbone, *(deepcopy(backbone) for _ in range(int(parts.options["members"]) - 1))]  # type: ignore[arg-type]
    whole = parts.assemble(MeanOfMembers([member.get_classifier() for member in members], parts.task))
    whole.backbone = Members(members)
    return whole
