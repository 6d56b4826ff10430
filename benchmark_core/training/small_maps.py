"""Run convolutions of small maps in fp32 on a CPU, because their bf16 gradients are wrong there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# torch 2.13 calls oneDNN for bf16 convolutions on a CPU. If the kernel is larger than the map that it slides over
# (3x3x3 over two frames, 3x3 by stride 2 over a column), oneDNN leaves parts of the weight gradient unwritten, so that
# they hold whatever was in memory, up to NaN, or it writes out of bounds. No error is raised.
CONVOLUTIONS = (torch.conv1d, torch.conv2d, torch.conv3d, torch.conv_transpose1d, torch.conv_transpose2d)
ALWAYS = torch.conv_transpose3d  # no rule was found for when its gradients are wrong


class SmallMapsInFp32(TorchFunctionMode):
    """Run convolutions in fp32 if their kernel is larger than their map, inside autocast on a CPU.

    Padding does not count as part of the map. Such maps are at the end of a network, so the cost is small. Transposed
    3D convolutions always run in fp32.
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
            return func(*map(_fp32, args), **{name: _fp32(value) for name, value in kwargs.items()})


def _fp32(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) else value


def _is_small(x: torch.Tensor, weight: torch.Tensor) -> bool:
    """Return whether the kernel exceeds the map along any axis. x: ([N,] C, [T,] h, w); weight: (O, I, [t,] k, l)."""
    axes = weight.ndim - 2
    return any(k > n for k, n in zip(weight.shape[-axes:], x.shape[-axes:], strict=True))
