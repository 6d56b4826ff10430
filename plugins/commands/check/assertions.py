"""Assertions about a component, and the errors that report a broken contract."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.specs import Spec


class CheckFailed(ElrError):
    """A component breaks its contract."""


class CheckSkipped(ElrError):
    """A check cannot be made, because an extra or a folder is missing."""


def require(condition: bool, message: str) -> None:
    """Raise CheckFailed with `message` unless `condition` is true."""
    if not condition:
        raise CheckFailed(message)


def require_installed(spec: Spec, module: str) -> None:
    """Raise CheckSkipped if `spec` needs `module` and it is not installed."""
    try:
        replace(spec, requires=(module,)).load(len)
    except ElrError as error:
        raise CheckSkipped(str(error)) from error


def require_shape(output: object, expected: tuple[int, ...]) -> None:
    """Raise CheckFailed unless `output` is a tensor of shape `expected` that holds finite floats."""
    if not isinstance(output, Tensor):
        raise CheckFailed(f"it returns {type(output).__name__}, not a tensor")
    require(tuple(output.shape) == expected, f"it returns {tuple(output.shape)}; expected {expected}")
    require(output.is_floating_point(), f"it returns {output.dtype}, not floats")
    require(bool(torch.isfinite(output).all()), "it returns values that are not finite")


def gradients_and_state(module: nn.Module, forward: Any, build: Any, unused: Sequence[str] = ()) -> Iterator[str]:
    """Check that gradients reach every parameter, and that a second module reproduces the first from its state.

    forward: module -> output tensor. build: makes the second module. unused: parameters that `forward` does not use. A
    module without other parameters, such as a descriptor with a nearest neighbour as its head, needs no gradient.
    Yields the name of each check before it is made.
    """
    yield "gradients reach every parameter"
    module.train()
    trainable = {
        name: parameter
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and name not in unused
    }
    if trainable:
        output = forward(module)
        require(output.requires_grad, "no gradient reaches any parameter")
        output.square().mean().backward()
        missed = [name for name, parameter in trainable.items() if parameter.grad is None]
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        require(not missed, f"no gradient reaches {', '.join(missed[:3])}{more}")
        broken = [name for name, parameter in trainable.items() if not _finite(parameter.grad)]
        require(not broken, f"the gradient of {', '.join(broken[:3])} is not finite")
    yield "restores its state"
    other = build()
    other.load_state_dict(module.state_dict(), strict=True)
    with torch.no_grad():
        same = torch.allclose(forward(module.eval()), forward(other.eval()), atol=1e-5)
    require(
        same, "a second module with the same state dict gives other outputs; keep all state in parameters or buffers"
    )


def _finite(gradient: Tensor | None) -> bool:
    return gradient is None or bool(torch.isfinite(gradient).all())
