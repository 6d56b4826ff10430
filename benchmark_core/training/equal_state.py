"""Keep the state of a training loop equal on all ranks: copy buffers from rank 0, and compare everything else.

Parameters and optimizer state are equal because the gradients are. Buffers, such as running statistics, and their
moving averages depend on each rank's own clips; those of rank 0 are saved and deployed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.errors import RunFailed
from benchmark_core.training.average import Average
from benchmark_core.training.ranks import Ranks
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.stage_runner import Stateful


def modules_of(state: Sequence[Stateful]) -> list[nn.Module]:
    """Return the modules in the state of a loop, moving averages included."""
    found: list[nn.Module] = []
    for item in state:
        if isinstance(item, nn.Module):
            found.append(item)
        elif isinstance(item, Average):
            found.append(item.network)
        elif isinstance(item, Recipe):
            found += [average.network for _, average in item.averages]
    return found


def begin_equal(ranks: Ranks, state: Sequence[Stateful]) -> None:
    """Copy parameters and buffers of rank 0 to the other ranks, before the first epoch of a loop."""
    ranks.copy(tensor for module in modules_of(state) for tensor in module.state_dict().values())


def end_equal(ranks: Ranks, state: Sequence[Stateful], where: str) -> None:
    """Copy the buffers of rank 0 to the other ranks, then compare all values of the state; at the end of an epoch.

    Raises RunFailed, on all ranks, naming `where` and the first value that differs.
    """
    ranks.copy(buffer for module in modules_of(state) for buffer in module.buffers())
    own = checksums(state)
    for rank, other in enumerate(ranks.gather(own)):
        differing = [name for name in {**own, **other} if own.get(name) != other.get(name)]
        if differing:
            raise RunFailed(
                f"{where}: processes {min(rank, ranks.rank)} and {max(rank, ranks.rank)} have other values of "
                f"{differing[0]} ({len(differing)} of {len(own)} values differ); every update of the method must go "
                "through recipe.step(loss) or training.step(optimizer), on every process"
            )


def checksums(state: Sequence[Stateful]) -> dict[str, Any]:
    """Return a number for each tensor of the state by its name, the sum of its bits, and other values as text."""
    tensors: dict[str, Tensor] = {}
    found: dict[str, Any] = {}
    for name, value in _values(state):
        if isinstance(value, Tensor):
            tensors[name] = value
        else:
            found[name] = repr(value)
    sums: dict[torch.device, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        sums.setdefault(value.device, {})[name] = _sum_of_bits(value)
    for each in sums.values():  # one look at each device
        found |= zip(each, torch.stack(list(each.values())).tolist(), strict=True)
    return found


def _sum_of_bits(tensor: Tensor) -> Tensor:
    """Return the sum of the tensor's bits, read as whole numbers of 4 bytes or 1 byte, as int64."""
    plain = tensor.detach().contiguous().reshape(-1)
    whole = plain.numel() * plain.element_size() % 4 == 0 and plain.element_size() >= 4
    return plain.view(torch.int32 if whole else torch.uint8).sum(dtype=torch.int64)


def _values(state: Sequence[Stateful]) -> Iterator[tuple[str, Any]]:
    for number, item in enumerate(state):
        yield from _leaves(f"{type(item).__name__} {number}", item.state_dict())


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _leaves(f"{name}.{number}", inner)
    else:
        yield name, value
