"""Eq. 1 and 2 of TinyVIRAT, and PSNR."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.dvsr.enhancer import unsigned

TINY = 1e-10  # a mean squared error of less is 100 dB


def full(values: Tensor) -> Tensor:
    """At least float32: under autocast a network's output arrives in half precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def reconstruction(made: Tensor, high: Tensor, attention: Tensor | None = None) -> Tensor:
    """Eq. 1: the mean of |made - high| over (N, 3, T, H, W), weighted by attention (N, 1, T, H, W).

    attention: without gradient; None for the first stage's 1.
    """
    distance = (full(made) - full(high)).abs()
    return (distance if attention is None else distance * full(attention).detach()).mean()


def masked(made: Tensor, attention: Tensor, mask: str) -> Tensor:
    """What the classifier sees in eq. 2, in [0, 1]: made (N, 3, T, H, W), about [-1, 1], by attention (N, 1, T, H, W).

    mask: "grey" where attention is 0 in [-1, 1], "black" in [0, 1]. No gradient goes to `made`.
    """
    view = unsigned(made.detach())
    return view * attention if mask == "black" else ((view * 2 - 1) * attention + 1) / 2


def sparsity(attention: Tensor) -> Tensor:
    """Eq. 2's L1 norm, as a mean over (N, 1, T, H, W)."""
    return full(attention).abs().mean()


def psnr(view: Tensor, high: Tensor, attention: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio in dB of views (…, T, H, W) in [0, 1], over all of them together.

    attention: weights, (N, 1, T, H, W); the mean squared error is then their weighted mean.
    """
    squares = (full(view) - full(high)).square()
    if attention is None:
        error = squares.mean()
    else:
        weights = full(attention).expand_as(squares)
        error = (squares * weights).sum() / weights.sum().clamp(min=TINY)
    return -10 * torch.log10(error.clamp(min=TINY))
