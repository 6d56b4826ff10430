"""3D residual networks, plain and wide (Hara et al., CVPR 2018), with the parameter names of their checkpoints.

ResNets (He et al., CVPR 2016) and Wide ResNets (Zagoruyko and Komodakis, BMVC 2016) with convolutions over 3x3x3; the
stem keeps the frame rate, what follows halves it with the size.
Example::

    network = resnet3d50(400)
    logits = network(torch.rand(2, 3, 16, 112, 112))  # (2, 400)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv3d:
    """A convolution over `kernel` cubed that keeps the size at stride 1; no bias, for a normalisation follows."""
    return nn.Conv3d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


class Subsample(nn.Module):
    """Every `stride`-th element along time and space, with channels of zeros up to `outputs`: type A of He et al.

    It has no parameters, and lets gradients through, which the published code's does not.
    """

    def __init__(self, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, T, h, w) to (N, outputs, T / stride, h / stride, w / stride), rounded up."""
        every = slice(None, None, self.stride)
        return F.pad(x[:, :, every, every, every], (0, 0, 0, 0, 0, 0, 0, self.outputs - x.shape[1]))


def shortcut_of(inputs: int, outputs: int, stride: int, kind: str) -> nn.Module | None:
    """What brings a block's input to its output's shape: nothing where they agree, else of type `kind`."""
    if stride == 1 and inputs == outputs:
        return None
    if kind == "A":
        return Subsample(outputs, stride)
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm3d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions and a shortcut. `width` is both convolutions' and the block's."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        assert width == outputs
        self.conv1 = conv(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = conv(width, outputs, 3)
        self.bn2 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut_of(inputs, outputs, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, T, h, w) to (N, outputs, T / stride, h / stride, w / stride), rounded up."""
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + past)


class Bottleneck(nn.Module):
    """1x1x1 to `width`, 3x3x3 with the stride, 1x1x1 to `outputs`; and a shortcut."""

    def __init__(self, inputs: int, width: int, outputs: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.conv1 = conv(inputs, width, 1)
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = conv(width, width, 3, stride)
        self.bn2 = nn.BatchNorm3d(width)
        self.conv3 = conv(width, outputs, 1)
        self.bn3 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = shortcut_of(inputs, outputs, stride, shortcut)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, T, h, w) to (N, outputs, T / stride, h / stride, w / stride), rounded up."""
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + past)


class ResNet3d(nn.Module):
    """The stage maps have strides 4, 8, 16, 32 in space and 2, 4, 8, 16 in time.

    depths: blocks of each stage. widen: k of Wide ResNets, over widths 64, 128, 256, 512. expansion: a block's outputs
    over its width. shortcut: "A" or "B".
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        depths: Sequence[int],
        classes: int,
        *,
        widen: int = 1,
        expansion: int = 1,
        shortcut: str = "B",
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(3, 64, 7, (1, 2, 2), padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        inputs = 64
        for stage, depth in enumerate(depths):
            width = 64 * widen * 2**stage
            outputs = width * expansion
            blocks = [block(inputs, width, outputs, 1 if stage == 0 else 2, shortcut)]
            blocks += [block(outputs, width, outputs, 1, shortcut) for _ in range(depth - 1)]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            inputs = outputs
        self.num_features = inputs
        self.avgpool = nn.AdaptiveAvgPool3d(1)  # of 1x4x4 from 16x112x112, as published
        self.fc = nn.Linear(self.num_features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # He et al., ICCV 2015, keeping the variance of the backward pass
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """The outputs of layer1 to layer4, each (N, C_i, T_i, h_i, w_i), for normalised x (N, 3, T, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """(N, F, T, h, w) to (N, F)."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """From F features to classes."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, C) for normalised x (N, 3, T, H, W)."""
        return self.fc(self.pool(self.forward_features(x)[-1]))


def resnet3d18(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """33,409,104 parameters at 400 classes. options: `shortcut`."""
    return ResNet3d(BasicBlock, (2, 2, 2, 2), classes, **(options or {}))


def resnet3d34(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """63,718,736 parameters at 400 classes. options: `shortcut`."""
    return ResNet3d(BasicBlock, (3, 4, 6, 3), classes, **(options or {}))


def resnet3d50(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """47,018,576 parameters at 400 classes. options: `shortcut`."""
    return ResNet3d(Bottleneck, (3, 4, 6, 3), classes, expansion=4, **(options or {}))


def wide_resnet3d50(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """158,248,272 parameters at 400 classes. options: `shortcut`."""
    return ResNet3d(Bottleneck, (3, 4, 6, 3), classes, widen=2, expansion=2, **(options or {}))
