"""The heads of the core: from the features of a clip's K intervals to its logits.

Each is `head(features (B, K, F), mask (B, K)) -> logits (B, C)`. A clip has at least one real interval. Padding
(mask 0) does not change the logits and gets no gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from benchmark_core.networks.losses import Task


class Head(nn.Module):
    """Classify each interval, then combine the K logits.

    The classifier stays a submodule of the backbone, under the name that published checkpoints give it. A tuple keeps
    it from being registered here, too, so that it is saved, moved and counted once.
    """

    def __init__(self, classifier: nn.Module, task: Task = "single-label") -> None:
        super().__init__()
        self.task = task
        self.shared = (classifier,)

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, C)."""
        return self.fold(self.shared[0](features), mask.unsqueeze(-1) > 0)

    def fold(self, logits: Tensor, real: Tensor) -> Tensor:
        """Combine logits (B, K, C) of the intervals that are `real`, bool (B, K, 1), to logits (B, C)."""
        raise NotImplementedError


class MeanLogits(Head):
    """The mean of the logits."""

    def fold(self, logits: Tensor, real: Tensor) -> Tensor:
        """See `Head.fold`."""
        return logits.where(real, 0).sum(1) / real.sum(1)


class MeanProbability(Head):
    """The mean of the probabilities, as logits: softmax (or sigmoid) of the result is that mean.

    Single-label: log of the mean softmax. Multi-label: logit of the mean sigmoid.
    """

    def fold(self, logits: Tensor, real: Tensor) -> Tensor:
        """See `Head.fold`."""
        return mean_probability(logits, real, self.task)


class Max(Head):
    """The largest logit of each class."""

    def fold(self, logits: Tensor, real: Tensor) -> Tensor:
        """See `Head.fold`."""
        return logits.where(real, -math.inf).amax(1)


def mean_probability(logits: Tensor, real: Tensor, task: Task) -> Tensor:
    """Return the mean probability of those of K logits (B, K, C) that are `real`, bool (B, K, 1), as logits (B, C)."""
    if task == "single-label":
        count = real.sum(1).to(logits.dtype)
        return _log_sum(logits.log_softmax(-1), real) - count.log()
    yes, no = _log_sum(logsigmoid(logits), real), _log_sum(logsigmoid(-logits), real)
    return yes - no  # the logit log p - log(1 - p), in which the counts cancel


def _log_sum(logs: Tensor, real: Tensor) -> Tensor:
    """Return log(sum over real intervals of exp(logs)), (B, K, C) to (B, C)."""
    return logs.where(real, -math.inf).logsumexp(1)


HEADS: Mapping[str, type[Head]] = {
    "mean-logits": MeanLogits,
    "mean-probability": MeanProbability,
    "max": Max,
}
