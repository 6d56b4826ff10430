"""Convolutions of small maps in full precision, where a processor would give them wrong gradients in half precision."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# oneDNN, as torch 2.13 brings it, leaves parts of a bf16 convolution's weight gradient unwritten where the kernel is
# larger than the map that it slides over (3x3x3 over two frames, 3x3 by stride 2 over a column): whatever lay in that
# memory, up to NaN. Or it writes beyond it. torch is told nothing of either.
CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, torch.conv_transpose1d, torch.conv_transpose2d)
ALWAYS = torch.conv_transpose3d  # no rule was found that tells its wrong gradients


class SmallMapsInFull(TorchFunctionMode):
    """Within it, and within autocast on a processor, a convolution whose kernel is larger than its map runs in fp32.

    The map is what it is given, without padding. Such maps are the last ones of a network, so that this costs next to
    nothing. Transposed convolutions over three axes run in fp32 always.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if not (func is ALWAYS or (func in CONVOLUTIONS and len(args) > 1 and _is_small(*args[:2]))):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return func(*map(_full, args), **{name: _full(value) for name, value in kwargs.items()})


def _full(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) else value


def _is_small(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Whether the kernel is larger than the map along any axis. x: (N, C, ...) or (C, ...); weight: (C, C, ...)."""
    axes = weight.ndim - 2
    return any(k > n for k, n in zip(weight.shape[-axes:], x.shape[-axes:], strict=True))
