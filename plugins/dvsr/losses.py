"""Eq. 1 and the terms of eq. 2 of TinyVIRAT, and PSNR."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.dvsr.enhancer import unsigned

TINY = 1e-10  # smallest mean squared error: 100 dB


def full(values: Tensor) -> Tensor:
    """Convert to at least float32; under autocast a network's output is in half precision."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def reconstruction(made: Tensor, high: Tensor, attention: Tensor | None = None) -> Tensor:
    """Return eq. 1: the mean of |made - high| * attention over (N, 3, T, H, W).

    attention: (N, 1, T, H, W), gets no gradient. None stands for 1, as in the first stage.
    """
    distance = (full(made) - full(high)).abs()
    return (distance if attention is None else distance * full(attention).detach()).mean()


def masked(made: Tensor, attention: Tensor, mask: str) -> Tensor:
    """Return the classifier's input in eq. 2, made * attention, (N, 3, T, H, W) in [0, 1].

    made: (N, 3, T, H, W), about [-1, 1]; gets no gradient. attention: (N, 1, T, H, W).
    mask: "grey" multiplies in [-1, 1], so that attention 0 gives grey; "black" multiplies in [0, 1].
    """
    view = unsigned(made.detach())
    return view * attention if mask == "black" else ((view * 2 - 1) * attention + 1) / 2


def sparsity(attention: Tensor) -> Tensor:
    """Return the L1 norm of eq. 2 as a mean over (N, 1, T, H, W)."""
    return full(attention).abs().mean()


def psnr(view: Tensor, high: Tensor, attention: Tensor | None = None) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of views (..., T, H, W) in [0, 1], over all of them together.

    attention: weights (N, 1, T, H, W) of the mean squared error, or None.
    """
    squares = (full(view) - full(high)).square()
    if attention is None:
        error = squares.mean()
    else:
        weights = full(attention).expand_as(squares)
        error = (squares * weights).sum() / weights.sum().clamp(min=TINY)
    return -10 * torch.log10(error.clamp(min=TINY))
