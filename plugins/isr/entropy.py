"""Maximum entropy (Ryoo et al., AAAI 2017, method 2): add the transform whose low views are least certain.

S_n = S_(n-1) + argmax_F sum_x H(y | F x), H = -sum_y p(y | F x) log p(y | F x), by the classifier θ(S_(n-1)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Decide = Callable[[Sequence[int], Sequence[int]], Tensor]  # transforms to train on, transforms seen -> (A, seen, C)


def entropy(probabilities: Tensor, *, labels: bool = False) -> Tensor:
    """Return the entropy in nats of probabilities (…, C): (…).

    labels: each of the C entries is the probability of a label of its own; their entropies are added.
    """
    own = torch.special.entr(probabilities)
    if labels:
        own = own + torch.special.entr(1 - probabilities)
    return own.sum(-1)


def most_uncertain(decide: Decide, pool: int, number: int, *, labels: bool = False) -> tuple[list[int], list[float]]:
    """Choose `number` of `pool` transforms, the identity (0) first; also return the mean entropy of each added one.

    Of equal ones, the first is added.
    """
    chosen, worth = [0], []
    while len(chosen) < number:
        mean = entropy(decide(chosen, range(pool)), labels=labels).mean(0)  # (P,)
        mean[chosen] = -torch.inf
        best = int(mean.argmax())
        chosen.append(best)
        worth.append(float(mean[best]))
    return chosen, worth
