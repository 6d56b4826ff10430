"""Average gradients over the ranks before an optimizer uses them, and refuse an optimizer that steps without it.

With one process, both do nothing. The averaged gradient is that of the mean loss over all clips of the batch:

    g = sum_r w_r g_r / sum_r w_r

with w_r proportional to the number of clips (or other items) that rank r's mean is over. One exchange per update, after
any number of backward passes; the ranks may have run different numbers of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_pre_hook

from benchmark_core.errors import ElrError
from benchmark_core.training.ranks import ONE, Ranks


class _Active:
    """The ranks whose gradients are averaged, and whether the next step of an optimizer has averaged gradients."""

    ranks: Ranks = ONE
    ready = False


@contextmanager
def averaging(ranks: Ranks, method: str) -> Iterator[None]:
    """Average gradients over `ranks` inside the block, and raise ElrError if an optimizer steps by itself.

    method: name for the error. Outside of such a block, as in a time estimate, nothing is exchanged.
    """
    if not ranks.several:
        yield
        return

    def refuse(optimiser: Optimizer, args: object, kwargs: object) -> None:
        if not _Active.ready:
            raise ElrError(
                f"method '{method}' steps an optimizer by itself, which would train each of the {ranks.size} processes "
                "on its own clips; its loop must call recipe.step(loss) or training.step(optimizer)"
            )
        _Active.ready = False

    handle = register_optimizer_step_pre_hook(refuse)
    _Active.ranks, _Active.ready = ranks, False
    try:
        yield
    finally:
        _Active.ranks = ONE
        handle.remove()


def parameters_of(optimiser: Optimizer) -> list[nn.Parameter]:
    """Return the parameters that an optimizer updates, in its order."""
    return [parameter for group in optimiser.param_groups for parameter in group["params"]]


def average_gradients(parameters: Sequence[nn.Parameter], weight: float | None = None) -> None:
    """Replace the gradients of `parameters` by their mean over the active ranks; bit for bit the same on all of them.

    weight: of this process's mean; by default, its share of the clips of the present batch. A parameter that has a
    gradient on some ranks gets one on all; without a gradient on any rank it keeps none, so that optimizers skip it.
    Raises ElrError for a sparse gradient.
    """
    ranks = _Active.ranks
    if not ranks.several:
        return
    own = ranks.weight if weight is None else weight
    groups: dict[torch.dtype, list[nn.Parameter]] = {}
    for parameter in parameters:
        groups.setdefault(parameter.dtype, []).append(parameter)
    for members in groups.values():
        _average(ranks, members, own)
    ranks.updates += 1
    _Active.ready = True


@torch.no_grad()
def _average(ranks: Ranks, members: Sequence[nn.Parameter], weight: float) -> None:
    """Average the gradients of parameters of one type, in one exchange of all of them.

    The exchanged vector ends with one number per parameter, 1 if this rank has its gradient, and with the weight.
    """
    pieces = [_flat(parameter) for parameter in members]
    present = [parameter.grad is not None for parameter in members]
    tail = torch.tensor([*map(float, present), 1.0], dtype=pieces[0].dtype).to(pieces[0].device)
    flat = torch.cat([*pieces, tail])
    if weight != 1:
        flat.mul_(weight)
    ranks.add_up(flat)
    *means, tail = torch.split(flat.div_(flat[-1:].clone()), [*(len(piece) for piece in pieces), len(tail)])
    anywhere = present if all(present) else [share > 0 for share in tail.tolist()]
    for parameter, mean, wanted in zip(members, means, anywhere, strict=False):
        if wanted:
            parameter.grad = torch.empty_like(parameter) if parameter.grad is None else parameter.grad
            target = torch.view_as_real(parameter.grad) if parameter.is_complex() else parameter.grad
            target.copy_(mean.view(target.shape))


def _flat(parameter: nn.Parameter) -> Tensor:
    """Return the gradient as a vector of real numbers; zeros if there is none."""
    gradient: Any = parameter.grad
    if gradient is None:
        gradient = torch.zeros_like(parameter)
    if gradient.layout != torch.strided:
        raise ElrError(
            f"a parameter of shape {tuple(parameter.shape)} has a sparse gradient, which several processes do not "
            "average; use dense gradients (sparse=False), or --processes 1"
        )
    return (torch.view_as_real(gradient) if gradient.is_complex() else gradient).reshape(-1)


def step(optimiser: Optimizer, *, items: int | None = None, clip_norm: float = 0.0) -> None:
    """Average gradients, limit their norm if `clip_norm` is not 0, and step the optimizer.

    items: number of items that the loss of this process is the mean of; by default, its clips of the present batch.
    """
    parameters = parameters_of(optimiser)
    average_gradients(parameters, None if items is None else float(items))
    if clip_norm:
        torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
    optimiser.step()
