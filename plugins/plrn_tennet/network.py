"""The network of pLRN: two 3D convolutions on grey clips, pooling and a dense layer.

Example::

    network = plrn_net(51)
    logits = network(torch.rand(2, 3, 16, 32, 32))  # (2, 51)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.plrn_tennet.hashing import grey_of
from elrbench_plugins.plrn_tennet.options import FILTERS, SIDE
from elrbench_plugins.plrn_tennet.patches import FilterBank

LAST = (4, 8, 8)  # frames, rows and columns that the dense layer reads
HIDDEN = 512
DROPOUT = 0.5


def halved(maps: Tensor) -> Tensor:
    """Return the maxima of 2x2x2 cubes of maps (N, C, T, H, W); an odd side keeps its last entry."""
    return F.max_pool3d(maps, 2, ceil_mode=any(side % 2 for side in maps.shape[2:]))


def averaged(maps: Tensor, axis: int, size: int) -> Tensor:
    """Return maps with `size` entries along an axis, each the mean of those that it overlaps, as adaptive pooling.

    A product with a matrix, because ONNX has no adaptive pooling along time.
    """
    length = maps.shape[axis]
    if length == size:
        return maps
    weights = maps.new_zeros(size, length)
    for part in range(size):
        first, last = part * length // size, -(-(part + 1) * length // size)
        weights[part, first:last] = 1 / (last - first)
    return (maps.movedim(axis, -1) @ weights.T).movedim(-1, axis)


class PlrnNet(nn.Module):
    """Map clips (N, 3, T, H, W) in [-1, 1] to logits (N, classes)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(1, FILTERS, SIDE, padding=SIDE // 2, bias=False)
        self.bn1 = nn.BatchNorm3d(FILTERS)
        self.conv2 = nn.Conv3d(FILTERS, FILTERS, SIDE, padding=SIDE // 2, bias=False)
        self.bn2 = nn.BatchNorm3d(FILTERS)
        self.dense = nn.Linear(FILTERS * LAST[0] * LAST[1] * LAST[2], HIDDEN)
        self.dropout = nn.Dropout(DROPOUT)
        self.fc = nn.Linear(HIDDEN, classes)
        self.num_features = HIDDEN

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return both maps, each (N, 10, T, H, W)."""
        first = F.relu(self.bn1(self.conv1(grey_of(x).unsqueeze(1))))
        return [first, F.relu(self.bn2(self.conv2(first)))]

    def pool(self, last: Tensor) -> Tensor:
        """Return the outputs of the dense layer, (N, 512), for the second map. Another size is averaged to 4x8x8."""
        small = halved(halved(last))  # (N, 10, 4, 8, 8)
        for axis, size in enumerate(LAST, 2):
            small = averaged(small, axis, size)
        return F.relu(self.dense(small.flatten(1)))

    def get_classifier(self) -> nn.Module:
        """Return dropout and the layer from 512 numbers to classes."""
        return nn.Sequential(self.dropout, self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        logits: Tensor = self.get_classifier()(self.pool(self.forward_features(x)[-1]))
        return logits

    @torch.no_grad()
    def start_from(self, bank: FilterBank) -> None:
        """Copy TenneT's filters, 10 of each stage, into both convolutions.

        The second convolution answers to the mean of the maps of the first as TenneT's filters do.
        """
        self.conv1.weight.copy_(bank.first.unsqueeze(1))
        self.conv2.weight.copy_(bank.second.unsqueeze(1).expand(-1, FILTERS, -1, -1, -1) / FILTERS)


def plrn_net(classes: int, options: Mapping[str, Any] | None = None) -> PlrnNet:
    """Return the network: 1,340,405 parameters with 51 classes."""
    del options  # it has none
    return PlrnNet(classes)
