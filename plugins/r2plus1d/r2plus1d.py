"""R(2+1)D (Tran et al., CVPR 2018) in mmaction2's layout, with the parameter names of its checkpoints.

Every convolution over t x d x d is split into 1 x d x d and t x 1 x 1, with M filters between them. Differences from
the paper: M is computed for t = 3 even if the kernel is 1x1x1, shortcuts are split too, and 3x3 max pooling follows the
stem.
Example::

    network = r2plus1d18(400)
    logits = network(torch.rand(2, 3, 5, 256, 340))  # (2, 400)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Conv2Plus1d(nn.Module):
    """Space (1 x d x d), batch normalisation, ReLU, time (t x 1 x 1), with M filters between them (section 3.5)."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int]) -> None:
        super().__init__()
        (t, d), (over_time, over_space) = kernel, stride
        between = 3 * d * d * inputs * outputs // (d * d * inputs + 3 * outputs)  # M: as many weights as t x d x d
        self.conv_s = nn.Conv3d(
            inputs, between, (1, d, d), (1, over_space, over_space), padding=(0, d // 2, d // 2), bias=False
        )
        self.bn_s = nn.BatchNorm3d(between)
        self.relu = nn.ReLU(inplace=True)
        self.conv_t = nn.Conv3d(between, outputs, (t, 1, 1), (over_time, 1, 1), padding=(t // 2, 0, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        return self.conv_t(self.relu(self.bn_s(self.conv_s(x))))


class ConvNorm(nn.Module):
    """Split convolution and batch normalisation, with the epsilon of the checkpoints."""

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], stride: tuple[int, int] = (1, 1)) -> None:
        super().__init__()
        self.conv = Conv2Plus1d(inputs, outputs, kernel, stride)
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """Return the shape that `Conv2Plus1d` returns."""
        return self.bn(self.conv(x))


class BasicBlock(nn.Module):
    """Two split 3x3x3 convolutions and a shortcut, projected by a split 1x1x1 if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(inputs, outputs, (3, 3), (stride, stride))
        self.conv2 = ConvNorm(outputs, outputs, (3, 3))
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = ConvNorm(inputs, outputs, (1, 1), (stride, stride))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        return self.relu(self.conv2(self.relu(self.conv1(x))) + shortcut)


class Trunk(nn.Module):
    """Stem and four stages of `depths[i]` blocks."""

    def __init__(self, depths: Sequence[int]) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 64, (3, 7), (1, 2))
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d((1, 3, 3), (1, 2, 2), padding=(0, 1, 1))
        self.layer1 = _stage(depths[0], 64, 64, stride=1)
        self.layer2 = _stage(depths[1], 64, 128, stride=2)
        self.layer3 = _stage(depths[2], 128, 256, stride=2)
        self.layer4 = _stage(depths[3], 256, 512, stride=2)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the outputs of layer1 to layer4 for x (N, 3, T, H, W)."""
        x = self.maxpool(self.relu(self.conv1(x)))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            maps.append(x)
        return maps


def _stage(depth: int, inputs: int, outputs: int, stride: int) -> nn.Sequential:
    rest = [BasicBlock(outputs, outputs, stride=1) for _ in range(depth - 1)]
    return nn.Sequential(BasicBlock(inputs, outputs, stride), *rest)


class Head(nn.Module):
    """Mean over time and space, dropout, and the classifier."""

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool3d(1)
        self.dropout = nn.Dropout(dropout)
        self.fc_cls = nn.Linear(features, classes)


class R2Plus1d(nn.Module):
    """R(2+1)D. Stage maps have 64, 128, 256, 512 channels, strides 4, 8, 16, 32 in space and 1, 2, 4, 8 in time."""

    def __init__(self, depths: Sequence[int], classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_features = 512
        self.backbone = Trunk(depths)
        self.cls_head = Head(self.num_features, classes, dropout)
        for module in self.modules():
            if isinstance(module, nn.Conv3d):  # He et al., ICCV 2015, fan-out
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.cls_head.fc_cls.weight, std=0.01)
        nn.init.zeros_(self.cls_head.fc_cls.bias)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return layer1 to layer4, each (N, C_i, T_i, h_i, w_i), for normalised x (N, 3, T, H, W)."""
        maps: list[Tensor] = self.backbone(x)
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, 512), for (N, 512, T, h, w)."""
        return torch.flatten(self.cls_head.avg_pool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return dropout and the linear layer, from 512 features to classes."""
        return nn.Sequential(self.cls_head.dropout, self.cls_head.fc_cls)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, T, H, W)."""
        return self.get_classifier()(self.pool(self.forward_features(x)[-1]))


def r2plus1d18(classes: int, options: Mapping[str, Any] | None = None) -> R2Plus1d:
    """Return R(2+1)D-18: 33,432,945 parameters with 400 classes. Options: `dropout`."""
    return R2Plus1d((2, 2, 2, 2), classes, **(options or {}))


def r2plus1d34(classes: int, options: Mapping[str, Any] | None = None) -> R2Plus1d:
    """Return R(2+1)D-34: 63,759,281 parameters with 400 classes. Options: `dropout`."""
    return R2Plus1d((3, 4, 6, 3), classes, **(options or {}))
