"""The moving average of a network's weights: what is scored in place of its last ones."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn


class Average:
    """Parameters and running statistics a_n = d_n a_(n-1) + (1 - d_n) w_n; whole numbers are the network's own.

    d_n = min(decay, n / (9 + n)) at the nth update: a long average on a long run, a short one on a short run. Where
    nothing of a tensor changes, neither does its average, to the bit.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Takes in what an update has made of `network`."""
        self.updates += 1
        decay = min(self.decay, self.updates / (9 + self.updates))
        now = network.state_dict()
        for name, average in self.network.state_dict().items():
            if average.is_floating_point():
                average.lerp_(now[name], 1 - decay)
            else:
                average.copy_(now[name])

    def into(self, network: nn.Module) -> None:
        """Puts the average in the network's place."""
        network.load_state_dict(self.network.state_dict())

    def state_dict(self) -> dict[str, Any]:
        """The average and the number of updates."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.network.load_state_dict(state["network"])
        self.updates = int(state["updates"])
