"""The two objectives of the adversarial training, for an encoder E, an action network T and a privacy network P."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of softmax(logits (B, C)) in nats, the mean over clips: at most ln C."""
    log_p = logits.log_softmax(1)
    return -(log_p.exp() * log_p).sum(1).mean()


def encoder_loss(actions: Tensor, people: Tensor, action: Tensor, alpha: float) -> Tensor:
    """Return what E and T minimise, with P fixed: XE(T(E(v)), action) - alpha Ent(P(E(v))).

    actions, people: logits of T (B, A) and of P (B, N). action: int64 (B,).
    """
    return cross_entropy(actions, action) - alpha * entropy(people)


def privacy_loss(people: Tensor, person: Tensor) -> Tensor:
    """Return what P minimises, with E and T fixed: XE(P(E(v)), person). people: logits (B, N). person: int64 (B,)."""
    return cross_entropy(people, person)
