"""C3D (Tran et al., ICCV 2015), with the parameter names of its public PyTorch checkpoints.

The fully connected layers read 512x1x4x4, which is the last map of 16 frames of 112x112. A last map of another size is
averaged to that size first; at 16x112x112 nothing changes. Max pooling rounds sizes up, so that no axis becomes empty.
Example::

    network = c3d(487)
    logits = network(torch.rand(2, 3, 16, 112, 112))  # (2, 487)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAST = (1, 4, 4)  # frames, rows and columns that fc6 reads


def conv(inputs: int, outputs: int) -> nn.Conv3d:
    """Return a 3x3x3 convolution that keeps the size."""
    return nn.Conv3d(inputs, outputs, 3, padding=1)


class C3d(nn.Module):
    """C3D. Stage maps have 128, 256, 512, 512 channels, strides 2, 4, 8, 16 in space and 1, 2, 4, 8 in time."""

    def __init__(self, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.conv1 = conv(3, 64)
        self.pool1 = nn.MaxPool3d((1, 2, 2), ceil_mode=True)
        self.conv2 = conv(64, 128)
        self.pool2 = nn.MaxPool3d(2, ceil_mode=True)
        self.conv3a, self.conv3b = conv(128, 256), conv(256, 256)
        self.pool3 = nn.MaxPool3d(2, ceil_mode=True)
        self.conv4a, self.conv4b = conv(256, 512), conv(512, 512)
        self.pool4 = nn.MaxPool3d(2, ceil_mode=True)
        self.conv5a, self.conv5b = conv(512, 512), conv(512, 512)
        self.pool5 = nn.MaxPool3d(2, padding=(0, 1, 1), ceil_mode=True)  # 2x7x7 to 1x4x4
        self.num_features = 4096
        self.fc6 = nn.Linear(8192, self.num_features)
        self.fc7 = nn.Linear(self.num_features, self.num_features)
        self.fc8 = nn.Linear(self.num_features, classes)
        self.dropout = nn.Dropout(dropout)
        self._initialise()
        # Maps get the weights' memory format. A CPU step at 112x112 takes 0.9 of the time in fp32.
        self.to(memory_format=torch.channels_last_3d)

    def _initialise(self) -> None:
        """Initialise as the authors do to train from scratch: small weights, as inputs are grey levels."""
        ends = (self.conv1, self.fc8)
        for module in self.modules():
            if isinstance(module, nn.Conv3d | nn.Linear):
                hidden = module in (self.fc6, self.fc7)
                nn.init.normal_(module.weight, std=0.005 if hidden else 0.01)
                nn.init.constant_(module.bias, 0.0 if module in ends else 1.0)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return conv2, 3b, 4b and 5b after ReLU, each (N, C_i, T_i, h_i, w_i), for x (N, 3, T, H, W)."""
        second = F.relu(self.conv2(self.pool1(F.relu(self.conv1(x)))))
        third = F.relu(self.conv3b(F.relu(self.conv3a(self.pool2(second)))))
        fourth = F.relu(self.conv4b(F.relu(self.conv4a(self.pool3(third)))))
        fifth = F.relu(self.conv5b(F.relu(self.conv5a(self.pool4(fourth)))))
        return [second, third, fourth, fifth]

    def pool(self, last: Tensor) -> Tensor:
        """Return the output of fc7, (N, 4096), for the map of conv5b, (N, 512, T, h, w)."""
        x = self.pool5(last)
        if x.shape[2:] != LAST:
            x = F.adaptive_avg_pool3d(x, LAST)
        x = self.dropout(F.relu(self.fc6(torch.flatten(x, 1))))
        return F.relu(self.fc7(x))

    def get_classifier(self) -> nn.Module:
        """Return dropout and fc8, from 4096 features to classes."""
        return nn.Sequential(self.dropout, self.fc8)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, T, H, W)."""
        return self.get_classifier()(self.pool(self.forward_features(x)[-1]))


def c3d(classes: int, options: Mapping[str, Any] | None = None) -> C3d:
    """Return C3D: 79,991,015 parameters with 487 classes (Sports-1M). Options: `dropout`."""
    return C3d(classes, **(options or {}))
