"""Store the weights of convolutions in the order that is fastest: their maps follow it.

Channels-last saves a 2D network a fifth of a step on a CPU. In bf16, on a CPU with AMX, I3D, R(2+1)D and native3d take
0.5 to 0.7 of the time of channels-first, C3D as long, and a 3D ResNet 1.0 to 1.3 (`pytest -s
benchmarks/test_channels_last.py`). In fp32 most 3D networks take as long or longer, so a backbone that gains sets the
order itself.
"""

from __future__ import annotations

import torch
from torch import nn


def order_maps(module: nn.Module, *, dims: int, precision: str) -> None:
    """Reorder the weights of `module`, in place. dims: of the backbone, 2 or 3. precision: "fp32" or "bf16"."""
    orders = {4: torch.channels_last} if dims == 2 else {}
    on_cpu = all(parameter.device.type == "cpu" for parameter in module.parameters())
    if precision == "bf16" and on_cpu:  # not measured on a GPU
        orders[5] = torch.channels_last_3d
    for parameter in module.parameters():
        if parameter.dim() in orders:  # an enhancer may have 3D convolutions next to a 2D backbone
            parameter.data = parameter.data.to(memory_format=orders[parameter.dim()])
