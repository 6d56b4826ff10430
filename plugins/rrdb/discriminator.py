"""ESRGAN's discriminator: up to five levels of two convolutions, each level at half the size of the one before it."""

from __future__ import annotations

import math

from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

WIDTHS = (64, 128, 256, 512, 512)
LAST = 4  # rows and columns that the first linear layer reads
HIDDEN = 100


class Discriminator(nn.Module):
    """Map images (N, 3, H, W) to (N, 1): how real each is, before a sigmoid.

    size: (H, W). 128x128, ESRGAN's patches, has five levels and 14.5 M parameters; smaller images have fewer levels, so
    that the last map keeps 4 pixels or more a side. It is averaged to 4x4.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        levels = min(len(WIDTHS), max(1, int(math.log2(min(size) / LAST)))) if min(size) >= LAST else 1
        layers: list[nn.Module] = []
        before = 3
        for number, width in enumerate(WIDTHS[:levels]):
            layers.append(nn.Conv2d(before, width, 3, padding=1, bias=number == 0))
            if number:
                layers.append(nn.BatchNorm2d(width))
            layers += [nn.LeakyReLU(0.2), nn.Conv2d(width, width, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
            before = width
        self.features = nn.Sequential(*layers)
        self.linear1 = nn.Linear(before * LAST * LAST, HIDDEN)
        self.activation = nn.LeakyReLU(0.2)
        self.linear2 = nn.Linear(HIDDEN, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return (N, 1)."""
        maps = adaptive_avg_pool2d(self.features(images), LAST)  # (N, C, 4, 4)
        scores: Tensor = self.linear2(self.activation(self.linear1(maps.flatten(1))))
        return scores
