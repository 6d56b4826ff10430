"""(2+1)D residual network for views of a dozen pixels (blocks: Tran et al., CVPR 2018).

The published networks reduce a view to a 32nd of its sides. These reduce it to a quarter of its sides and an eighth of
its frames: the stem halves the frames and keeps the sides. A convolution is split into 1x3x3 and 3x1x1 with
normalisation and ReLU between them.

Example::

    network = native3d_s(21)
    logits = network(torch.rand(2, 3, 24, 12, 16))  # (2, 21)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from elrbench_plugins.drop_path import DropPath, linear_in_depth

BLOCKS = 2  # of each stage


class SplitConv(nn.Sequential):
    """Space (1x3x3), normalisation, ReLU, time (3x1x1), normalisation. stride: in space; steps: stride in time.

    Tran et al. choose M filters between space and time, so that the pair has as many weights as a 3x3x3 convolution
    (section 3.5). Here M is the number of outputs, which is less than half of the weights.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, steps: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, (1, 3, 3), (1, stride, stride), padding=(0, 1, 1), bias=False),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv3d(outputs, outputs, (3, 1, 1), (steps, 1, 1), padding=(1, 0, 0), bias=False),
            nn.BatchNorm3d(outputs),
        )


class BasicBlock(nn.Module):
    """Two split convolutions and a shortcut, projected by 1x1x1 if the shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, drop: float) -> None:
        super().__init__()
        self.conv1 = SplitConv(inputs, outputs, stride, stride)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = SplitConv(outputs, outputs)
        self.drop_path = DropPath(drop)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        branch = self.conv2(self.relu(self.conv1(x)))
        return self.relu(self.drop_path(branch) + shortcut)


class Native3d(nn.Module):
    """Stem and one stage for each width.

    Stage i has `widths[i]` channels, stride 2^i in space and `stem_stride` * 2^i in time. stem_stride: 2 halves the
    frames after the stem's first convolution, and almost halves the cost. init: "uniform" leaves PyTorch's
    initial weights; "he-fan-out" draws them by He et al.
    """

    def __init__(
        self,
        widths: Sequence[int],
        classes: int,
        dropout: float = 0.2,
        drop_path: float = 0.1,
        stem_stride: int = 2,
        init: str = "uniform",
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(SplitConv(3, widths[0], steps=stem_stride), nn.ReLU(inplace=True))
        drops = iter(linear_in_depth(drop_path, BLOCKS * len(widths)))
        self.stages = nn.ModuleList()
        inputs = widths[0]
        for number, outputs in enumerate(widths):
            stride = 1 if number == 0 else 2
            first = BasicBlock(inputs, outputs, stride, next(drops))
            rest = [BasicBlock(outputs, outputs, 1, next(drops)) for _ in range(BLOCKS - 1)]
            self.stages.append(nn.Sequential(first, *rest))
            inputs = outputs
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.dropout = nn.Dropout(dropout)
        self.num_features = widths[-1]
        self.fc = nn.Linear(self.num_features, classes)
        if init == "he-fan-out":
            for module in self.modules():
                if isinstance(module, nn.Conv3d):  # He et al., ICCV 2015
                    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            nn.init.normal_(self.fc.weight, std=0.01)
            nn.init.zeros_(self.fc.bias)
        # Maps get the weights' memory format: a CPU step (AVX2) takes 0.9 of the time with 32 channels, 0.7 with 16.
        self.to(memory_format=torch.channels_last_3d)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the output of each stage, (N, C_i, T_i, h_i, w_i), for normalised x (N, 3, T, h, w)."""
        x = self.stem(x)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return the mean over time and space, (N, C), for (N, C, T, h, w)."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return dropout and the linear layer, from C features to classes."""
        return nn.Sequential(self.dropout, self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) for normalised x (N, 3, T, h, w)."""
        return self.fc(self.dropout(self.pool(self.forward_features(x)[-1])))


def native3d_xs(classes: int, options: Mapping[str, Any] | None = None) -> Native3d:
    """Return the network with 16, 32 and 64 channels. Options: those of `Native3d`."""
    return Native3d((16, 32, 64), classes, **(options or {}))


def native3d_s(classes: int, options: Mapping[str, Any] | None = None) -> Native3d:
    """Return the network with 32, 64 and 128 channels. Options: those of `Native3d`."""
    return Native3d((32, 64, 128), classes, **(options or {}))


def native3d_m(classes: int, options: Mapping[str, Any] | None = None) -> Native3d:
    """Return the network with 48, 96 and 192 channels. Options: those of `Native3d`."""
    return Native3d((48, 96, 192), classes, **(options or {}))


def native3d_l(classes: int, options: Mapping[str, Any] | None = None) -> Native3d:
    """Return the network with 64, 128 and 256 channels. Options: those of `Native3d`."""
    return Native3d((64, 128, 256), classes, **(options or {}))
