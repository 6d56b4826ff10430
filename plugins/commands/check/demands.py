"""What a component owes its users, and the errors that say what it does not give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.specs import Spec


class Unfit(ElrError):
    """A component breaks its contract."""


class Skipped(ElrError):
    """A check cannot be made here: an extra or a folder is absent."""


def present(spec: Spec, module: str) -> None:
    """Skipped where `spec` needs `module`, of an extra, and it is not installed."""
    try:
        replace(spec, requires=(module,)).load(len)
    except ElrError as error:
        raise Skipped(str(error)) from error


def module_of(built: object) -> nn.Module:
    """Unfit where a factory returned anything else."""
    if not isinstance(built, nn.Module):
        raise Unfit(f"its factory returns {type(built).__name__}, not a torch module")
    return built


def shaped(made: object, wanted: tuple[int, ...]) -> None:
    """Unfit unless it is a tensor of that shape, of finite floats."""
    if not isinstance(made, Tensor):
        raise Unfit(f"it returns {type(made).__name__}, not a tensor")
    require(tuple(made.shape) == wanted, f"it returns {tuple(made.shape)} where {wanted} is due")
    require(made.is_floating_point(), f"it returns {made.dtype}, not a float")
    require(bool(torch.isfinite(made).all()), "it returns values that are not finite")


def require(holds: bool, otherwise: str) -> None:
    """Unfit, saying `otherwise`, unless it holds."""
    if not holds:
        raise Unfit(otherwise)


def learns_and_returns(module: nn.Module, forward: Any, build: Any, unused: Sequence[str] = ()) -> Iterator[str]:
    """Gradients reach every parameter; a second build takes the first one's state and gives its outputs."""
    yield "gradients reach every parameter"
    module.train()
    learnt = {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}
    if learnt:
        forward(module).square().mean().backward()
        missed = [name for name, parameter in learnt.items() if parameter.grad is None and name not in unused]
        more = f" and {len(missed) - 3} more" if len(missed) > 3 else ""
        require(not missed, f"none reaches {', '.join(missed[:3])}{more}")
        spoilt = [name for name, parameter in learnt.items() if not _finite(parameter.grad)]
        require(not spoilt, f"that of {', '.join(spoilt[:3])} is not finite")
    yield "its state is restored"
    other = module_of(build())
    other.load_state_dict(module.state_dict(), strict=True)
    with torch.no_grad():
        same = torch.allclose(forward(module.eval()), forward(other.eval()), atol=1e-5)
    require(same, "a second module with the first one's state gives other outputs: some of it is in no buffer")


def _finite(gradient: Tensor | None) -> bool:
    return gradient is None or bool(torch.isfinite(gradient).all())
