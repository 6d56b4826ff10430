"""R(2+1)D-18 (Tran et al., CVPR 2018) in torchvision's layout, with the parameter names of its checkpoints.

Differences from the paper: both convolutions of a block have as many filters between space and time as the first one,
and shortcuts are plain 1x1x1 convolutions.
Example::

    network = r2plus1d18(400)
    logits = network(torch.rand(2, 3, 16, 112, 112))  # (2, 400)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def split(inputs: int, outputs: int, between: int, stride: int = 1) -> nn.Sequential:
    """Return space (1x3x3), batch normalisation, ReLU, time (3x1x1); `stride` applies to time and space."""
    return nn.Sequential(
        nn.Conv3d(inputs, between, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False),
        nn.BatchNorm3d(between),
        nn.ReLU(inplace=True),
        nn.Conv3d(between, outputs, (3, 1, 1), (stride, 1, 1), padding=(1, 0, 0), bias=False),
    )


class BasicBlock(nn.Module):
    """Two split 3x3x3 convolutions and a shortcut, projected by 1x1x1 if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        between = 27 * inputs * outputs // (9 * inputs + 3 * outputs)  # as many weights as an unsplit 3x3x3
        self.conv1 = nn.Sequential(
            split(inputs, outputs, between, stride), nn.BatchNorm3d(outputs), nn.ReLU(inplace=True)
        )
        self.conv2 = nn.Sequential(split(outputs, outputs, between), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv2(self.conv1(x)) + shortcut)


class VideoResNet(nn.Module):
    """R(2+1)D. Stage maps have 64, 128, 256, 512 channels, strides 2, 4, 8, 16 in space and 1, 2, 4, 8 in time."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv3d(3, 45, (1, 7, 7), (1, 2, 2), padding=(0, 3, 3), bias=False),
            nn.BatchNorm3d(45),
            nn.ReLU(inplace=True),
            nn.Conv3d(45, 64, (3, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(64),
            nn.ReLU(inplace=True),
        )
        self.layer1 = nn.Sequential(BasicBlock(64, 64, stride=1), BasicBlock(64, 64, stride=1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, stride=2), BasicBlock(128, 128, stride=1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, stride=2), BasicBlock(256, 256, stride=1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, stride=2), BasicBlock(512, 512, stride=1))
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.num_features = 512
        self.fc = nn.Linear(self.num_features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # He et al., ICCV 2015, fan-out
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.fc.weight, std=0.01)
        nn.init.zeros_(self.fc.bias)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return layer1 to layer4, each (N, C_i, T_i, h_i, w_i), for normalised x (N, 3, T, H, W)."""
        x = self.stem(x)
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, 512), for (N, 512, T, h, w)."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer from 512 features to classes."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, T, H, W)."""
        return self.fc(self.pool(self.forward_features(x)[-1]))


def r2plus1d18(classes: int, options: Mapping[str, object] | None = None) -> VideoResNet:
    """Return R(2+1)D-18: 31,505,325 parameters with 400 classes."""
    return VideoResNet(classes)
