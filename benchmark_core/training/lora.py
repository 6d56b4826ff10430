"""Low-rank updates of frozen weights (Hu et al., LoRA, ICLR 2022): W0 + (alpha / r) B A.

Built on `torch.nn.utils.parametrize` instead of the package peft: it adapts linear layers and convolutions of any
backbone in place, reaches code that reads `layer.weight` itself, and leaves no trace once it is merged.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
WEIGHT = "weight"


class LowRank(nn.Module):
    """W0 + (alpha / r) B A (equation 3 and section 4.1) for a weight W0 (O, I, ...) of I·k inputs.

    A (r, I·k) is drawn by `generator` from a normal distribution of variance 1 / (I·k), which the paper leaves open;
    B (O, r) is 0, so that training begins with W0. The rank r is at most O and I·k. alpha: as in section 4.1.
    """

    def __init__(self, weight: Tensor, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        rank = min(rank, outputs, inputs)
        self.scale = alpha / rank
        drawn = torch.randn(rank, inputs, generator=generator) / math.sqrt(inputs)
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(torch.zeros(outputs, rank, dtype=weight.dtype, device=weight.device))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the adapted weight, of the shape of `weight`, in its precision also under autocast."""
        return weight + self.scale * self._product().view(weight.shape)

    def _product(self) -> Tensor:
        """Return B A, (O, I·k)."""
        device = self.up.device.type
        if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device):
            with torch.autocast(device, enabled=False):
                return self.up @ self.down
        return self.up @ self.down


def adaptable(module: nn.Module, skip: Collection[int] = ()) -> Iterator[nn.Module]:
    """Yield the linear layers and convolutions of `module`, except grouped convolutions, which are small.

    skip: ids of parameters; layers that have one are left out, and so are those that have a parametrization already.
    """
    for layer in module.modules():
        if isinstance(layer, LAYERS) and getattr(layer, "groups", 1) == 1 and not parametrize.is_parametrized(layer):
            if not any(id(parameter) in skip for parameter in layer.parameters()):
                yield layer


def adapt(layer: nn.Module, rank: int, alpha: float, generator: torch.Generator) -> None:
    """Freeze the weight and the bias of `layer` and add a low-rank update, which is trained."""
    layer.requires_grad_(False)
    weight = layer.weight
    assert isinstance(weight, Tensor)
    parametrize.register_parametrization(layer, WEIGHT, LowRank(weight, rank, alpha, generator))


def adapted(layer: nn.Module) -> bool:
    """Return whether `layer` has a low-rank update."""
    return parametrize.is_parametrized(layer, WEIGHT) and any(
        isinstance(part, LowRank)
        for part in layer.parametrizations[WEIGHT]  # type: ignore[index]
    )


@torch.no_grad()
def merge(module: nn.Module) -> None:
    """Replace the weight of each adapted layer by W0 + (alpha / r) B A; names, order and shapes are as before."""
    for layer in list(module.modules()):
        if adapted(layer):
            whole = layer.weight.detach().clone()  # type: ignore[operator]
            kept: Any = layer.parametrizations[WEIGHT].original  # type: ignore[index,union-attr]
            # Not by `remove_parametrizations`, which changes the class that copies of the layer share.
            layer.__class__ = parametrize.type_before_parametrizations(layer)
            del layer.parametrizations
            layer.register_parameter(WEIGHT, kept)
            layer.register_parameter("bias", layer._parameters.pop("bias", None))  # after the weight, as it was
            kept.copy_(whole)
