"""Residual networks of basic blocks (He et al., CVPR 2016), with torchvision's parameter names.

Example::

    network = resnet34(101)
    logits = network(torch.rand(2, 3, 256, 340))  # (2, 101)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """Return a convolution that keeps the size at stride 1, without bias."""
    return nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut, projected by 1x1 if the shape changes (type B of the paper)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(inputs, outputs, 3, stride)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs, 3)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, h / stride, w / stride), rounded up, for (N, inputs, h, w)."""
        shortcut = self.shortcut(x)
        return self.relu(self.branch(x) + shortcut)

    def branch(self, x: Tensor) -> Tensor:
        """Return the two convolutions without the shortcut."""
        x = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))

    def shortcut(self, x: Tensor) -> Tensor:
        """Return `x`, projected if the shape changes."""
        return x if self.downsample is None else self.downsample(x)


class ResNet(nn.Module):
    """ResNet with `depths[i]` basic blocks in stage i.

    Stage maps have 64, 128, 256, 512 channels at strides 4, 8, 16, 32.
    """

    def __init__(self, depths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.conv1 = conv(3, 64, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._stage(depths[0], 64, 64, stride=1)
        self.layer2 = self._stage(depths[1], 64, 128, stride=2)
        self.layer3 = self._stage(depths[2], 128, 256, stride=2)
        self.layer4 = self._stage(depths[3], 256, 512, stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.num_features = 512
        self.fc = nn.Linear(self.num_features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., ICCV 2015, fan-out
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @staticmethod
    def _stage(depth: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
        rest = [BasicBlock(outputs, outputs, stride=1) for _ in range(depth - 1)]
        return nn.Sequential(BasicBlock(inputs, outputs, stride), *rest)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return layer1 to layer4, each (N, C_i, h_i, w_i), for normalised x (N, 3, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, 512), for (N, 512, h, w)."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer from 512 features to classes."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, H, W)."""
        return self.fc(self.pool(self.forward_features(x)[-1]))


def resnet18(classes: int, options: Mapping[str, object] | None = None) -> ResNet:
    """Return ResNet-18: 11,689,512 parameters with 1,000 classes."""
    return ResNet((2, 2, 2, 2), classes)


def resnet34(classes: int, options: Mapping[str, object] | None = None) -> ResNet:
    """Return ResNet-34: 21,797,672 parameters with 1,000 classes."""
    return ResNet((3, 4, 6, 3), classes)
