"""Dynamic upsampling filters (Jo et al., CVPR 2018), by 4: seven low frames to the middle one, enlarged.

The network estimates, for each pixel of the result, a 5x5 filter that is applied to the middle frame, and a residual
that is added. Parameter names and shapes are those of the public PyTorch checkpoints (BasicSR), which were converted
from the authors' TensorFlow ones.

Example::

    network = duf(16)
    network(torch.rand(1, 3, 7, 12, 16))  # (1, 3, 48, 64)
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALE = 4
TAPS = 5  # sides of a filter
FRAMES = 7  # that the network reads
EPSILON = 1e-3  # of batch normalisation, as in the authors' code
TINY = 1e-6  # smallest weight of a filter, whose logarithm is taken
LAYERS = {16: (3, 32), 28: (9, 16), 52: (21, 16)}  # depth -> dense blocks before frames are merged, growth


def block(channels: int, growth: int, *, keep: bool) -> nn.Sequential:
    """Build a dense block's layers: (N, channels, T, h, w) to (N, growth, T, h, w), or T - 2 frames if not `keep`."""
    return nn.Sequential(
        nn.BatchNorm3d(channels, eps=EPSILON),
        nn.ReLU(),
        nn.Conv3d(channels, channels, 1),
        nn.BatchNorm3d(channels, eps=EPSILON),
        nn.ReLU(),
        nn.Conv3d(channels, growth, 3, padding=(int(keep), 1, 1)),
    )


class DenseBlocks(nn.Module):
    """Dense blocks that keep the number of frames."""

    def __init__(self, blocks: int, channels: int, growth: int) -> None:
        super().__init__()
        self.dense_blocks = nn.ModuleList(block(channels + i * growth, growth, keep=True) for i in range(blocks))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, T, h, w) to (N, channels + blocks * growth, T, h, w)."""
        for each in self.dense_blocks:
            x = torch.cat([x, each(x)], 1)
        return x


class MergingBlocks(nn.Module):
    """Three dense blocks; each removes the first and the last frame."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        for number in range(3):
            self.add_module(f"temporal_reduce{number + 1}", block(channels + number * growth, growth, keep=False))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, 7, h, w) to (N, channels + 3 * growth, 1, h, w)."""
        for each in self.children():
            x = torch.cat([x[:, :, 1:-1], each(x)], 1)
        return x


class Duf(nn.Module):
    """blocks, growth: see `LAYERS`. features, width, filters: channels of first and last map, and before the filters.

    The defaults of the last three are the authors'.
    """

    scale = SCALE

    def __init__(self, blocks: int, growth: int, *, features: int = 64, width: int = 256, filters: int = 512) -> None:
        super().__init__()
        merged = features + blocks * growth
        last = merged + 3 * growth
        self.conv3d1 = nn.Conv3d(3, features, (1, 3, 3), padding=(0, 1, 1))
        self.dense_block1 = DenseBlocks(blocks, features, growth)
        self.dense_block2 = MergingBlocks(merged, growth)
        self.bn3d2 = nn.BatchNorm3d(last, eps=EPSILON)
        self.conv3d2 = nn.Conv3d(last, width, (1, 3, 3), padding=(0, 1, 1))
        self.conv3d_r1 = nn.Conv3d(width, width, 1)
        self.conv3d_r2 = nn.Conv3d(width, 3 * SCALE**2, 1)
        self.conv3d_f1 = nn.Conv3d(width, filters, 1)
        self.conv3d_f2 = nn.Conv3d(filters, TAPS**2 * SCALE**2, 1)
        for part in self.modules():
            if isinstance(part, nn.Conv3d):  # as the authors' code: He et al., ICCV 2015
                nn.init.kaiming_normal_(part.weight)
                assert part.bias is not None
                nn.init.zeros_(part.bias)

    def start_bilinear(self) -> None:
        """Set the last layers so that the network interpolates the middle frame linearly before it is trained."""
        for layer in (self.conv3d_f2, self.conv3d_r2):
            nn.init.zeros_(layer.weight)
        assert self.conv3d_f2.bias is not None
        self.conv3d_f2.bias.data.copy_(bilinear_filters().clamp(min=TINY).log().flatten())

    def forward(self, low: Tensor) -> Tensor:
        """Return the middle frame, enlarged, (N, 3, 4h, 4w), of (N, 3, 7, h, w), in about the same range."""
        x = self.dense_block2(self.dense_block1(self.conv3d1(low)))  # (N, last, 1, h, w)
        x = F.relu(self.conv3d2(F.relu(self.bn3d2(x))))  # (N, width, 1, h, w)
        residual = self.conv3d_r2(F.relu(self.conv3d_r1(x))).squeeze(2)  # (N, 3 * 16, h, w)
        logits = self.conv3d_f2(F.relu(self.conv3d_f1(x))).squeeze(2)  # (N, 25 * 16, h, w)
        filters = logits.unflatten(1, (TAPS**2, SCALE**2)).softmax(1)
        return F.pixel_shuffle(filtered(low[:, :, FRAMES // 2], filters) + residual, SCALE)


def filtered(frame: Tensor, filters: Tensor) -> Tensor:
    """Return eq. 1 of Jo et al.: each of R * R results of a pixel is the sum of its 5x5 neighbours, times a filter.

    frame: (N, 3, h, w). filters: (N, 25, R * R, h, w), the same for all colours. Returns (N, 3 * R * R, h, w), the
    results of a colour together. Outside the frame, pixels are 0.
    """
    height, width = frame.shape[-2:]
    edge = TAPS // 2
    padded = F.pad(frame, (edge, edge, edge, edge))
    shifts = [padded[..., y : y + height, x : x + width] for y in range(TAPS) for x in range(TAPS)]
    neighbours = torch.stack(shifts, -1).permute(0, 2, 3, 1, 4)  # (N, h, w, 3, 25)
    found = torch.matmul(neighbours, filters.permute(0, 3, 4, 1, 2))  # (N, h, w, 3, R * R)
    return found.flatten(3).permute(0, 3, 1, 2)


def bilinear_filters() -> Tensor:
    """Return the filters of linear interpolation by 4, (25, 16); each sums to 1."""
    offsets = (torch.arange(SCALE) + 0.5) / SCALE - 0.5  # of a result from its pixel's centre, in pixels
    taps = torch.arange(TAPS) - TAPS // 2
    line = (1 - (taps[:, None] - offsets[None, :]).abs()).clamp(min=0)  # (5, 4)
    return torch.einsum("yi,xj->yxij", line, line).reshape(TAPS**2, SCALE**2)


def duf(layers: int) -> Duf:
    """Return the authors' network with 16, 28 or 52 layers."""
    blocks, growth = LAYERS[layers]
    return Duf(blocks, growth)
