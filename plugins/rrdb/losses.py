"""The losses of SoSR (Zhang et al., ICCV 2019, section 3.1) and of ESRGAN (ECCV Workshops 2018), its base."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def motion_weight(flow: Tensor, power: float = 1.0, base: float = 0.0) -> Tensor:
    """Return the weights w_p = base + (u_p^2 + v_p^2)^(power / 2) of SoSR's eq. 1, (N, 1, H, W).

    flow: (N, 2, H, W) in pixels. power 1: its length.
    """
    squared = flow.square().sum(1, keepdim=True)
    return base + (squared.sqrt() if power == 1 else squared.pow(power / 2))


def pixel_error(made: Tensor, high: Tensor, kind: str, weight: Tensor | None = None) -> Tensor:
    """Return 1/N sum_p w_p e_p, a scalar, over pixels and channels. With kind `mse` this is SoSR's eq. 1.

    made, high: (N, 3, H, W). kind: `mse`, e_p = (made_p - high_p)^2, or `l1`, its absolute value. weight: (N, 1, H, W);
    None: 1.
    """
    difference = made - high
    error = difference.square() if kind == "mse" else difference.abs()
    return (error if weight is None else weight * error).mean()


def adversarial_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the loss of the network that makes images, with a relativistic average discriminator (ESRGAN, eq. 2).

    real, fake: the discriminator's outputs, (N, 1). Half of the sum of ESRGAN's two terms, as in its public code.
    """
    return (_entropy(real - fake.mean(), 0.0) + _entropy(fake - real.mean(), 1.0)) / 2


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the loss of the discriminator (ESRGAN, eq. 1); arguments as in `adversarial_loss`."""
    return (_entropy(real - fake.mean(), 1.0) + _entropy(fake - real.mean(), 0.0)) / 2


def _entropy(logits: Tensor, target: float) -> Tensor:
    return binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
