"""Adapt the first convolution of an RGB network to another number of input channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.networks.protocols import RgbOnly

Convolution: TypeAlias = nn.Conv2d | nn.Conv3d

COLOURS = 3


def with_channels(module: nn.Module, channels: int, *, fresh: bool = False, keep: bool = False) -> nn.Module:
    """Change the first RGB convolution of `module` to `channels` inputs. Returns `module`.

    Each new input channel gets the mean of the weights of red, green and blue (Wang et al., Temporal Segment Networks,
    ECCV 2016, for flow), without random numbers. With three channels nothing changes.
    fresh: draw all weights of the convolution by its own default instead. keep: the first three channels stay red,
    green and blue, and keep their weights.
    Raises ElrError if no convolution takes three channels, or if the module is `RgbOnly`.
    """
    if channels == COLOURS:
        return module
    if isinstance(module, RgbOnly):
        raise ElrError(
            f"{type(module).__name__} takes red, green and blue alone: {module.rgb_only}; use --modality rgb"
        )
    found = first_convolution(module)
    if found is None:
        raise ElrError(
            f"{type(module).__name__} has no convolution on {COLOURS} channels to adapt; use another --backbone"
        )
    _, conv = found
    shape = (conv.out_channels, channels, *conv.kernel_size)
    weight = adapt_first_convolution(conv.weight.detach(), shape, keep=keep)
    assert weight is not None
    conv.weight = nn.Parameter(weight, requires_grad=conv.weight.requires_grad)
    conv.in_channels = channels
    if fresh:
        conv.reset_parameters()
    return module


def first_convolution(module: nn.Module, channels: int = COLOURS) -> tuple[str, Convolution] | None:
    """Return name and module of the first convolution, in order of registration, with `channels` inputs, or None."""
    for name, part in module.named_modules():
        if isinstance(part, nn.Conv2d | nn.Conv3d) and part.in_channels == channels and part.groups == 1:
            return name, part
    return None


def adapt_first_convolution(weight: Tensor, shape: Sequence[int], *, keep: bool = False) -> Tensor | None:
    """Return the weights (O, I, [t,] h, w) of a first convolution, adapted to `shape`; None if they cannot be.

    Weights of a 2D convolution are repeated t times and divided by t for a 3D one, so that a still clip gives the
    result of its image (Carreira and Zisserman, I3D, CVPR 2017). For another number of input channels, each channel
    gets the mean over the input channels. The kernel size and the number of filters must agree.
    keep: weights of three channels stay those of the first three, and only the others get the mean.
    """
    if weight.ndim not in (4, 5) or len(shape) not in (4, 5):
        return None
    if weight.ndim == 4 and len(shape) == 5:
        weight = weight.unsqueeze(2).repeat(1, 1, shape[2], 1, 1) / shape[2]
    if weight.shape[1] != shape[1]:
        kept = weight[:, :COLOURS] if keep and weight.shape[1] == COLOURS < shape[1] else weight[:, :0]
        mean = weight.mean(1, keepdim=True).repeat_interleave(shape[1] - kept.shape[1], 1)
        weight = torch.cat([kept, mean], 1) if kept.shape[1] else mean
    return weight.contiguous() if weight.shape == torch.Size(shape) else None
