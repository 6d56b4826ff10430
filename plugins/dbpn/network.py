"""The deep back-projection network (Haris et al., CVPR 2018), in the layout of the authors' public code.

Names and shapes are those of alterzero/DBPN-Pytorch (dbpn.py, dbpns.py, dbpn_v1.py), so that its checkpoints fit.

Example::

    network = Dbpn(8, 7)
    network(torch.rand(1, 3, 12, 16))  # (1, 3, 96, 128)
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

KERNELS = {2: 6, 4: 8, 8: 12}  # of projections, by scale; their stride is the scale, their padding 2
FIRST, FILTERS = 256, 64  # n0 and nR of the paper


class Block(nn.Module):
    """A convolution as `conv`, or a transposed one as `deconv`, and a rectifier with one slope for all channels."""

    def __init__(self, layer: nn.Conv2d | nn.ConvTranspose2d, *, activated: bool = True) -> None:
        super().__init__()
        self.add_module("deconv" if isinstance(layer, nn.ConvTranspose2d) else "conv", layer)
        self.act = nn.PReLU() if activated else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) to the layer's shape."""
        for part in self.children():
            x = part(x)
        return x


def conv(ins: int, outs: int, kernel: int, *, activated: bool = True) -> Block:
    """Keeps height and width."""
    return Block(nn.Conv2d(ins, outs, kernel, padding=kernel // 2), activated=activated)


def down(scale: int) -> Block:
    """(N, 64, scale·h, scale·w) to (N, 64, h, w)."""
    return Block(nn.Conv2d(FILTERS, FILTERS, KERNELS[scale], stride=scale, padding=2))


def up(scale: int) -> Block:
    """(N, 64, h, w) to (N, 64, scale·h, scale·w)."""
    return Block(nn.ConvTranspose2d(FILTERS, FILTERS, KERNELS[scale], stride=scale, padding=2))


class Projection(nn.Module):
    """What the two units have in common: of several maps, side by side in channels, one is made first."""

    def __init__(self, maps: int) -> None:
        super().__init__()
        if maps > 1:
            self.conv = conv(maps * FILTERS, FILTERS, 1)

    def merged(self, maps: Sequence[Tensor]) -> Tensor:
        """(N, 64, h, w) of as many maps of that shape as the unit is for."""
        return self.conv(torch.cat(tuple(maps), 1)) if hasattr(self, "conv") else maps[0]


class UpProjection(Projection):
    """Maps of low size to one of high size, corrected by what it is off from them when brought back (eq. 1 to 5)."""

    def __init__(self, scale: int, maps: int = 1) -> None:
        super().__init__(maps)
        self.up_conv1, self.up_conv2, self.up_conv3 = up(scale), down(scale), up(scale)

    def forward(self, *maps: Tensor) -> Tensor:
        """(N, 64, h, w) each, to (N, 64, scale·h, scale·w)."""
        low = self.merged(maps)
        high = self.up_conv1(low)  # eq. 1
        off = self.up_conv2(high) - low  # eq. 2, 3
        made: Tensor = high + self.up_conv3(off)  # eq. 4, 5
        return made


class DownProjection(Projection):
    """Maps of high size to one of low size, likewise (eq. 6 to 10)."""

    def __init__(self, scale: int, maps: int = 1) -> None:
        super().__init__(maps)
        self.down_conv1, self.down_conv2, self.down_conv3 = down(scale), up(scale), down(scale)

    def forward(self, *maps: Tensor) -> Tensor:
        """(N, 64, scale·h, scale·w) each, to (N, 64, h, w)."""
        high = self.merged(maps)
        low = self.down_conv1(high)  # eq. 6
        off = self.down_conv2(low) - high  # eq. 7, 8
        made: Tensor = low + self.down_conv3(off)  # eq. 9, 10
        return made


class Dbpn(nn.Module):
    """`units` up-projections and one down-projection fewer, in turns; the image is made of all maps of high size.

    dense: a unit gets all maps of its size that were made before, the latest first, instead of the latest alone.
    """

    def __init__(self, scale: int, units: int, *, dense: bool = True) -> None:
        super().__init__()
        self.scale, self.units, self.dense = scale, units, dense
        self.feat0 = conv(3, FIRST, 3)
        self.feat1 = conv(FIRST, FILTERS, 1)
        for number in range(1, units + 1):
            lows, highs = (max(1, number - 1), number) if dense else (1, 1)  # the features are for the first unit alone
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
        """(N, 3, h, w) to (N, 3, scale·h, scale·w), of about the same range."""
        highs = [self.get_submodule("up1")(self.feat1(self.feat0(low)))]
        lows: list[Tensor] = []
        for number in range(1, self.units):
            seen = highs if self.dense else highs[:1]
            lows.insert(0, self.get_submodule(f"down{number}")(*seen))
            seen = lows if self.dense else lows[:1]
            highs.insert(0, self.get_submodule(f"up{number + 1}")(*seen))
        made: Tensor = self.output_conv(torch.cat(highs, 1))
        return made
