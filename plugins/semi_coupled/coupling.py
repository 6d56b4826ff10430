"""Copy the first filters of each layer from one network to another of the same structure (Chen et al., section 3.2)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import nn

from elrbench_plugins.semi_coupled.network import TwoStream

LAYERS: Mapping[str, tuple[str, ...]] = {  # option ratio_NAME -> layers, of those that the network has
    "conv1": ("spatial.conv1", "temporal.conv1"),
    "conv2": ("spatial.conv2", "temporal.conv2"),
    "conv3": ("spatial.conv3", "temporal.conv3"),
    "fuse": ("fuse",),
    "fc1": ("fc1", "spatial_fc1", "temporal_fc1"),
    "fc2": ("fc2",),
}
WITHOUT_BIAS = ("fc2",)  # whose biases stay, as in the authors' code


def shared(ratio: float, filters: int) -> int:
    """Return round(ratio * filters), halves rounded up, as MATLAB does."""
    return math.floor(ratio * filters + 0.5)


@torch.no_grad()
def copy_filters(source: TwoStream, target: TwoStream, ratios: Mapping[str, float]) -> None:
    """Copy the first `shared(ratio, n)` of a layer's n filters, and their biases, into `target`.

    ratios: key of `LAYERS` -> ratio. Normalisation layers are not copied.
    """
    ours = {name: part for name, part in target.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    theirs = dict(source.named_modules())
    for key, ratio in ratios.items():
        for name in LAYERS[key]:
            if name not in ours:
                continue
            layer, other = ours[name], theirs[name]
            count = shared(ratio, len(layer.weight))
            layer.weight[:count] = other.weight[:count]
            if name not in WITHOUT_BIAS and layer.bias is not None:
                layer.bias[:count] = other.bias[:count]
