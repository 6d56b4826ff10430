"""The network of residual-in-residual dense blocks (Wang et al., ESRGAN, ECCV Workshops 2018), by 4.

Parameter names and shapes are those of the authors' public checkpoints (RRDB_ESRGAN_x4.pth, RRDB_PSNR_x4.pth).

Example::

    network = Rrdb()
    network(torch.rand(1, 3, 12, 16))  # (1, 3, 48, 64)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

SCALE = 4
SHARE = 0.2  # of a block's output that is added to its input; also the slope of the activation
BLOCKS, FEATURES, GROWTH = 23, 64, 32


def conv(ins: int, outs: int) -> nn.Conv2d:
    """Build a 3x3 convolution that keeps height and width.

    Kaiming's weights times 0.1 and no bias, as ESRGAN (section 3.1) draws them for deep residual networks.
    """
    built = nn.Conv2d(ins, outs, 3, padding=1)
    nn.init.kaiming_normal_(built.weight)
    built.weight.data.mul_(0.1)
    assert built.bias is not None
    nn.init.zeros_(built.bias)
    return built


def activated(x: Tensor) -> Tensor:
    """Apply the activation."""
    return leaky_relu(x, SHARE)


class DenseBlock(nn.Module):
    """Five convolutions; each reads the block's input and the outputs of those before it."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for number in range(1, 5):
            self.add_module(f"conv{number}", conv(features + (number - 1) * growth, growth))
        self.conv5 = conv(features + 4 * growth, features)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features, h, w) to the same shape."""
        maps = [x]
        for number in range(1, 5):
            maps.append(activated(self.get_submodule(f"conv{number}")(torch.cat(maps, 1))))
        last: Tensor = self.conv5(torch.cat(maps, 1))
        return x + SHARE * last


class ResidualInResidual(nn.Module):
    """Three dense blocks in a row, whose result is added to the input."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.RDB1, self.RDB2, self.RDB3 = (DenseBlock(features, growth) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, features, h, w) to the same shape."""
        last: Tensor = self.RDB3(self.RDB2(self.RDB1(x)))
        return x + SHARE * last


class Rrdb(nn.Module):
    """`blocks` residual-in-residual blocks at the low size, then two doublings. The defaults are ESRGAN's."""

    scale = SCALE

    def __init__(self, blocks: int = BLOCKS, features: int = FEATURES, growth: int = GROWTH) -> None:
        super().__init__()
        self.conv_first = conv(3, features)
        self.RRDB_trunk = nn.Sequential(*(ResidualInResidual(features, growth) for _ in range(blocks)))
        self.trunk_conv = conv(features, features)
        self.upconv1, self.upconv2, self.HRconv = (conv(features, features) for _ in range(3))
        self.conv_last = conv(features, 3)

    def forward(self, low: Tensor) -> Tensor:
        """Return the image (N, 3, 4h, 4w) of (N, 3, h, w), in about the same range."""
        x = self.conv_first(low)  # (N, features, h, w)
        x = x + self.trunk_conv(self.RRDB_trunk(x))
        for doubled in (self.upconv1, self.upconv2):
            x = activated(doubled(interpolate(x, scale_factor=2, mode="nearest")))
        image: Tensor = self.conv_last(activated(self.HRconv(x)))
        return image
