"""The moving average of a module's weights, which is scored instead of its last weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from benchmark_core.training.lora import merge


class Average:
    """Average parameters and running statistics: a_n = d_n a_(n-1) + (1 - d_n) w_n. Integer buffers are copied.

    d_n = min(decay, n / (9 + n)) at update n, so that short runs average over few updates. The average of a tensor that
    does not change is bit-identical to the tensor.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Add the current weights of `network` to the average. Call it after each optimizer step."""
        self.updates += 1
        decay = min(self.decay, self.updates / (9 + self.updates))
        now = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(now[name], 1 - decay)
            else:
                average.copy_(now[name])

    def into(self, network: nn.Module) -> None:
        """Load the average into `network`.

        If the low-rank updates of `network` were merged after the average began, those of the average are merged, too.
        """
        average = self.network
        if average.state_dict().keys() != network.state_dict().keys():
            average = copy.deepcopy(average)
            merge(average)
        network.load_state_dict(average.state_dict())

    def end_tuning(self) -> None:
        """Merge the average's low-rank updates, as at the end of a loop those of the network are."""
        merge(self.network)

    def state_dict(self) -> dict[str, Any]:
        """Return the average and the number of updates."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])
