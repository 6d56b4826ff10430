"""3D residual networks, plain and wide (Hara et al., CVPR 2018), with the parameter names of their checkpoints.

ResNets (He et al., CVPR 2016) and Wide ResNets (Zagoruyko and Komodakis, BMVC 2016) with 3x3x3 convolutions. The stem
keeps the frame rate; every later reduction halves time and space together.
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
    """Return a convolution over `kernel` cubed that keeps the size at stride 1, without bias."""
    return nn.Conv3d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)


class Subsample(nn.Module):
    """Shortcut A of He et al.: every `stride`-th element of time and space, and channels of zeros up to `outputs`.

    It has no parameters. Gradients pass through it, unlike in the published code.
    """

    def __init__(self, outputs: int, stride: int) -> None:
        super().__init__()
        self.outputs, self.stride = outputs, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        every = slice(None, None, self.stride)
        return F.pad(x[:, :, every, every, every], (0, 0, 0, 0, 0, 0, 0, self.outputs - x.shape[1]))


def shortcut_of(inputs: int, outputs: int, stride: int, kind: str) -> nn.Module | None:
    """Return the shortcut of type `kind` ("A" or "B") of a block; None if input and output shapes agree."""
    if stride == 1 and inputs == outputs:
        return None
    if kind == "A":
        return Subsample(outputs, stride)
    return nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm3d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3x3 convolutions of `width` channels, and a shortcut."""

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
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(x)) + past)


class Bottleneck(nn.Module):
    """1x1x1 to `width` channels, 3x3x3 with the stride, 1x1x1 to `outputs`, and a shortcut."""

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
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        past = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.relu(self.bn3(self.conv3(x)) + past)


class ResNet3d(nn.Module):
    """3D ResNet. Stage maps have strides 4, 8, 16, 32 in space and 2, 4, 8, 16 in time.

    depths: blocks of each stage. widen: factor k of Wide ResNets on the widths 64, 128, 256, 512. expansion: output
    channels of a block divided by its width. shortcut: "A" or "B".
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
        self.avgpool = nn.AdaptiveAvgPool3d(1)  # averages 1x4x4 for 16x112x112, as published
        self.fc = nn.Linear(self.num_features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # He et al., ICCV 2015, fan-out
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return layer1 to layer4, each (N, C_i, T_i, h_i, w_i), for normalised x (N, 3, T, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, F), for (N, F, T, h, w)."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return the linear layer from F features to classes."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, T, H, W)."""
        return self.fc(self.pool(self.forward_features(x)[-1]))


def resnet3d18(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """Return the 18-layer network: 33,409,104 parameters with 400 classes. Options: `shortcut`."""
    return ResNet3d(BasicBlock, (2, 2, 2, 2), classes, **(options or {}))


def resnet3d34(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """Return the 34-layer network: 63,718,736 parameters with 400 classes. Options: `shortcut`."""
    return ResNet3d(BasicBlock, (3, 4, 6, 3), classes, **(options or {}))


def resnet3d50(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """Return the 50-layer network: 47,018,576 parameters with 400 classes. Options: `shortcut`."""
    return ResNet3d(Bottleneck, (3, 4, 6, 3), classes, expansion=4, **(options or {}))


def wide_resnet3d50(classes: int, options: Mapping[str, Any] | None = None) -> ResNet3d:
    """Return the wide 50-layer network: 158,248,272 parameters with 400 classes. Options: `shortcut`."""
    return ResNet3d(Bottleneck, (3, 4, 6, 3), classes, widen=2, expansion=2, **(options or {}))
