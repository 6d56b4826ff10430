"""The deep back-projection network (Haris et al., CVPR 2018), with the structure of the authors' public code.

Parameter names and shapes are those of alterzero/DBPN-Pytorch (dbpn.py, dbpns.py, dbpn_v1.py), so its checkpoints load.

Example::

    network = Dbpn(8, 7)
    network(torch.rand(1, 3, 12, 16))  # (1, 3, 96, 128)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

KERNELS = {2: 6, 4: 8, 8: 12}  # scale -> kernel of projections; stride is the scale, padding 2
FIRST, FILTERS = 256, 64  # n0 and nR of the paper


class Block(nn.Module):
    """A convolution `conv`, or a transposed one `deconv`, and a PReLU with one slope for all channels."""

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d, *, activated: bool = True) -> None:
        super().__init__()
        self.add_module("deconv" if isinstance(layer, nn.ConvTranspose2d) else "conv", layer)
        self.act = nn.PReLU() if activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Apply layer and activation to (N, C, h, w)."""
        for part in self.children():
            x = part(x)
        return x


def conv(ins: int, outs: int, kernel: int, *, activated: bool = True) -> Block:
    """Build a block that keeps height and width."""
    return Block(nn.Conv2d(ins, outs, kernel, padding=kernel // 2), activated=activated)


def down(scale: int) -> Block:
    """Build a block from (N, 64, scale*h, scale*w) to (N, 64, h, w)."""
    return Block(nn.Conv2d(FILTERS, FILTERS, KERNELS[scale], stride=scale, padding=2))


def up(scale: int) -> Block:
    """Build a block from (N, 64, h, w) to (N, 64, scale*h, scale*w)."""
    return Block(nn.ConvTranspose2d(FILTERS, FILTERS, KERNELS[scale], stride=scale, padding=2))


class Projection(nn.Module):
    """Base of the two units: merge several maps, concatenated in channels, to one by a 1x1 convolution."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        if maps > 1:
            self.conv = conv(maps * FILTERS, FILTERS, 1)

    def merged(self, maps: Sequence[Tensor]) -> Tensor:
        """Merge `maps` maps (N, 64, h, w) to one of the same shape."""
        return self.conv(torch.cat(tuple(maps), 1)) if hasattr(self, "conv") else maps[0]


class UpProjection(Projection):
    """Low to high: up-sample, down-sample again, and correct by the up-sampled error (eq. 1 to 5)."""

    def __init__(self, scale: int, maps: int = 1) -> None:
        super().__init__(maps)
        self.up_conv1, self.up_conv2, self.up_conv3 = up(scale), down(scale), up(scale)

    def forward(self, *maps: Tensor) -> Tensor:
        """Return (N, 64, scale*h, scale*w) of maps (N, 64, h, w)."""
        low = self.merged(maps)
        high = self.up_conv1(low)  # eq. 1
        error = self.up_conv2(high) - low  # eq. 2, 3
        corrected: Tensor = high + self.up_conv3(error)  # eq. 4, 5
        return corrected


class DownProjection(Projection):
    """High to low: down-sample, up-sample again, and correct by the down-sampled error (eq. 6 to 10)."""

    def __init__(self, scale: int, maps: int = 1) -> None:
        super().__init__(maps)
        self.down_conv1, self.down_conv2, self.down_conv3 = down(scale), up(scale), down(scale)

    def forward(self, *maps: Tensor) -> Tensor:
        """Return (N, 64, h, w) of maps (N, 64, scale*h, scale*w)."""
        high = self.merged(maps)
        low = self.down_conv1(high)  # eq. 6
        error = self.down_conv2(low) - high  # eq. 7, 8
        corrected: Tensor = low + self.down_conv3(error)  # eq. 9, 10
        return corrected


class Dbpn(nn.Module):
    """`units` up-projections and `units` - 1 down-projections in turns; all high maps give the image.

    dense: each unit gets all previous maps of its input size, the latest first, instead of the latest alone.
    """

    def __init__(self, scale: int, units: int, *, dense: bool = True) -> None:
        super().__init__()
        self.scale, self.units, self.dense = scale, units, dense
        self.feat0 = conv(3, FIRST, 3)
        self.feat1 = conv(FIRST, FILTERS, 1)
        for number in range(1, units + 1):
            lows, highs = (
                (max(1, number - 1), number) if dense else (1, 1)
            )  # only the first unit gets the features of the stem
            self.add_module(f"up{number}", UpProjection(scale, lows))
            if number < units:
                self.add_module(f"down{number}", DownProjection(scale, highs))
        self.output_conv = conv(units * FILTERS, 3, 3, activated=False)
        for part in self.modules():
            if isinstance(part, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(part.weight)
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def forward(self, low: Tensor) -> Tensor:
        """Return the image (N, 3, scale*h, scale*w) of (N, 3, h, w), in about the same range."""
        highs = [self.get_submodule("up1")(self.feat1(self.feat0(low)))]
        lows: list[Tensor] = []
        for number in range(1, self.units):
            inputs = highs if self.dense else highs[:1]
            lows.insert(0, self.get_submodule(f"down{number}")(*inputs))
            inputs = lows if self.dense else lows[:1]
            highs.insert(0, self.get_submodule(f"up{number + 1}")(*inputs))
        image: Tensor = self.output_conv(torch.cat(highs, 1))
        return image
