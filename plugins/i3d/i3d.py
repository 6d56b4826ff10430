"""I3D (Carreira and Zisserman, CVPR 2017), with the parameter names of piergiaj's checkpoints.

Inception-v1 (Szegedy et al., CVPR 2015) with every filter inflated to three dimensions. Convolutions and max pooling
have TensorFlow's "SAME" padding, computed from the size of their input, so that any size works.
Example::

    network = i3d(400)
    logits = network(torch.rand(2, 3, 64, 224, 224))  # (2, 400)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-3  # of batch normalisation in the checkpoints
Triple = tuple[int, int, int]


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return the padding before and after an axis for ceil(length / stride) windows; an odd element goes after."""
    beyond = max((-(-length // stride) - 1) * stride + kernel - length, 0)
    return beyond // 2, beyond - beyond // 2


def pad_same(x: Tensor, kernel: Sequence[int], stride: Sequence[int], value: float) -> Tensor:
    """Return x (N, C, T, h, w) with its last three axes padded with `value`."""
    axes = zip(x.shape[2:], kernel, stride, strict=True)
    border = [side for axis in reversed([same_padding(*axis) for axis in axes]) for side in axis]
    return F.pad(x, border, value=value) if any(border) else x


class StridedConv(nn.Conv3d):
    """Convolution with "SAME" padding, computed from the size of the input."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C', T / stride, h / stride, w / stride), rounded up, for (N, C, T, h, w)."""
        return super().forward(pad_same(x, self.kernel_size, self.stride, 0.0))


class MaxPool(nn.Module):
    """Max pooling with "SAME" padding by -inf, computed from the size of the input."""

    def __init__(self, kernel: Triple, stride: Triple) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C, T / stride, h / stride, w / stride), rounded up, for (N, C, T, h, w)."""
        return F.max_pool3d(pad_same(x, self.kernel, self.stride, -torch.inf), self.kernel, self.stride)


class Unit(nn.Module):
    """Convolution over `kernel` cubed, batch normalisation, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, momentum: float) -> None:
        super().__init__()
        if stride == 1:  # "SAME" padding does not depend on the size
            self.conv3d = nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        else:
            self.conv3d = StridedConv(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=EPSILON, momentum=momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T / stride, h / stride, w / stride), rounded up, for (N, inputs, T, h, w)."""
        return F.relu(self.bn(self.conv3d(x)), inplace=True)


class Mixed(nn.Module):
    """Four parallel branches: 1x1x1; 1x1x1 then 3x3x3, twice; 3x3x3 max pooling then 1x1x1.

    widths: output channels of b0, b1a, b1b, b2a, b2b, b3b, in the order of the paper.
    """

    def __init__(self, inputs: int, widths: tuple[int, int, int, int, int, int], momentum: float) -> None:
        super().__init__()
        b0, b1a, b1b, b2a, b2b, b3b = widths
        self.b0 = Unit(inputs, b0, 1, 1, momentum)
        self.b1a = Unit(inputs, b1a, 1, 1, momentum)
        self.b1b = Unit(b1a, b1b, 3, 1, momentum)
        self.b2a = Unit(inputs, b2a, 1, 1, momentum)
        self.b2b = Unit(b2a, b2b, 3, 1, momentum)
        self.b3a = nn.MaxPool3d(3, stride=1, padding=1)
        self.b3b = Unit(inputs, b3b, 1, 1, momentum)
        self.outputs = b0 + b1b + b2b + b3b

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, T, h, w), for (N, inputs, T, h, w)."""
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], 1)


class Logits(nn.Module):
    """Classifier, published as a 1x1x1 convolution and applied here to pooled features."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(features, classes, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return (…, C), for (…, F)."""
        return F.linear(features, self.conv3d.weight.flatten(1), self.conv3d.bias)


class I3d(nn.Module):
    """I3D. Stage maps have 192, 480, 832, 1024 channels, strides 4, 8, 16, 32 in space and 2, 2, 4, 8 in time.

    dropout: probability before the classifier. norm_momentum: of running means and variances. first_pool: False omits
    the first max pooling, which halves the strides in space.
    """

    def __init__(
        self, classes: int, dropout: float = 0.5, norm_momentum: float = 0.01, first_pool: bool = True
    ) -> None:
        super().__init__()
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2, norm_momentum)
        self.MaxPool3d_2a_3x3 = MaxPool((1, 3, 3), (1, 2, 2)) if first_pool else nn.Identity()
        self.Conv3d_2b_1x1 = Unit(64, 64, 1, 1, norm_momentum)
        self.Conv3d_2c_3x3 = Unit(64, 192, 3, 1, norm_momentum)
        self.MaxPool3d_3a_3x3 = MaxPool((1, 3, 3), (1, 2, 2))
        self.Mixed_3b = Mixed(192, (64, 96, 128, 16, 32, 32), norm_momentum)
        self.Mixed_3c = Mixed(256, (128, 128, 192, 32, 96, 64), norm_momentum)
        self.MaxPool3d_4a_3x3 = MaxPool((3, 3, 3), (2, 2, 2))
        self.Mixed_4b = Mixed(480, (192, 96, 208, 16, 48, 64), norm_momentum)
        self.Mixed_4c = Mixed(512, (160, 112, 224, 24, 64, 64), norm_momentum)
        self.Mixed_4d = Mixed(512, (128, 128, 256, 24, 64, 64), norm_momentum)
        self.Mixed_4e = Mixed(512, (112, 144, 288, 32, 64, 64), norm_momentum)
        self.Mixed_4f = Mixed(528, (256, 160, 320, 32, 128, 128), norm_momentum)
        self.MaxPool3d_5a_2x2 = MaxPool((2, 2, 2), (2, 2, 2))
        self.Mixed_5b = Mixed(832, (256, 160, 320, 32, 128, 128), norm_momentum)
        self.Mixed_5c = Mixed(832, (384, 192, 384, 48, 128, 128), norm_momentum)
        self.num_features = 1024
        self.dropout = nn.Dropout(dropout)
        self.logits = Logits(self.num_features, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv3d) and module.bias is None:
                # He et al., ICCV 2015, fan-out
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.logits.conv3d.weight, std=0.01)
        nn.init.zeros_(self.logits.conv3d.bias)
        # Maps get the weights' memory format. A CPU step takes 0.6 of the time; most of the gain is in max pooling.
        self.to(memory_format=torch.channels_last_3d)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return Conv3d_2c_3x3, Mixed_3c, 4f and 5c, each (N, C_i, T_i, h_i, w_i), for x (N, 3, T, H, W)."""
        x = self.Conv3d_2b_1x1(self.MaxPool3d_2a_3x3(self.Conv3d_1a_7x7(x)))
        second = self.Conv3d_2c_3x3(x)
        third = self.Mixed_3c(self.Mixed_3b(self.MaxPool3d_3a_3x3(second)))
        x = self.Mixed_4c(self.Mixed_4b(self.MaxPool3d_4a_3x3(third)))
        fourth = self.Mixed_4f(self.Mixed_4e(self.Mixed_4d(x)))
        fifth = self.Mixed_5c(self.Mixed_5b(self.MaxPool3d_5a_2x2(fourth)))
        return [second, third, fourth, fifth]

    def pool(self, last: Tensor) -> Tensor:
        """Return (N, 1024) for `last` (N, 1024, T, h, w).

        The published network averages each pair of neighbours in time, classifies each pair and averages the logits.
        The classifier is linear, so averaging the pairs first gives the same logits. The first and the last step have
        half the weight of the others.
        """
        time, *space = last.shape[2:]
        pairs = F.avg_pool3d(last, (min(2, time), *space), stride=1)  # (N, 1024, T - 1, 1, 1)
        return pairs.mean((2, 3, 4))

    def get_classifier(self) -> nn.Module:
        """Return dropout and the classifier, from 1024 features to classes."""
        return nn.Sequential(self.dropout, self.logits)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, C) for normalised x (N, 3, T, H, W)."""
        return self.get_classifier()(self.pool(self.forward_features(x)[-1]))


def i3d(classes: int, options: Mapping[str, Any] | None = None) -> I3d:
    """Return I3D: 12,697,264 parameters with 400 classes. Options: `dropout`, `norm_momentum`, `first_pool`."""
    return I3d(classes, **(options or {}))
