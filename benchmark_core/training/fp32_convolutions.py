"""Run some convolutions in fp32 on a CPU: those whose bf16 gradients are wrong (small maps) or slow (depthwise)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

# torch 2.13 calls oneDNN for bf16 convolutions on a CPU. If the kernel is larger than the map that it slides over
# (3x3x3 over two frames, 3x3 by stride 2 over a column), oneDNN leaves parts of the weight gradient unwritten, so that
# they hold whatever was in memory, up to NaN, or it writes out of bounds. No error is raised.
# Depthwise convolutions are slow: with them in bf16, a step of efficientnet-lite0 takes 1.7 of the time of fp32 on a
# CPU with AMX; with them in fp32, 0.9.
FORWARD = (torch.conv1d, torch.conv2d, torch.conv3d)
TRANSPOSED = (torch.conv_transpose1d, torch.conv_transpose2d)
ALWAYS = torch.conv_transpose3d  # no rule was found for when its gradients are wrong


class ConvolutionsInFp32(TorchFunctionMode):
    """Run convolutions in fp32, inside autocast on a CPU, if they are depthwise or if a kernel is larger than its map.

    Padding does not count as part of the map. Small maps are at the end of a network, so the cost is small. Transposed
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
        if not (func is ALWAYS or (len(args) > 1 and _needs_fp32(func, *args[:2]))):
            return func(*args, **kwargs)
        with torch.autocast("cpu", enabled=False):
            return func(*map(_fp32, args), **{name: _fp32(value) for name, value in kwargs.items()})


def _fp32(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) else value


def _needs_fp32(func: Callable[..., Any], x: Any, weight: Any) -> bool:
    """Return whether `func` is a depthwise convolution, or one with a kernel larger than its map.

    x: ([N,] C, [T,] h, w). weight: (O, I, [t,] k, l).
    """
    if func not in FORWARD + TRANSPOSED:
        return False
    axes = weight.ndim - 2
    small = any(k > n for k, n in zip(weight.shape[-axes:], x.shape[-axes:], strict=True))
    channels = x.shape[-axes - 1]
    depthwise = func in FORWARD and weight.shape[1] == 1 and channels > 1  # each of several channels by itself
    return small or depthwise
