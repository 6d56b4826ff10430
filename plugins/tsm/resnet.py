"""ResNet-18 with temporal shift (Lin et al., TSM, ICCV 2019), with the parameter names of the 2D network.

Example::

    network = resnet18_tsm(101)
    logits = network(torch.rand(2, 3, 8, 96, 128))  # (2, 101)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from elrbench_plugins.resnet.resnet import ResNet
from elrbench_plugins.tsm.shift import fold, shift, unfold


class ShiftedResNet(ResNet):
    """A ResNet on clips. Frames are shifted before the first convolution of each block, not in its shortcut."""

    def __init__(self, depths: tuple[int, ...], classes: int, shift_divisor: int = 8) -> None:
        super().__init__(depths, classes)
        self.divisor = shift_divisor

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return layer1 to layer4, each (N, C_i, T, h_i, w_i), for normalised x (N, 3, T, H, W)."""
        count = x.shape[2]
        frames = self.maxpool(self.relu(self.bn1(self.conv1(fold(x)))))  # (N*T, 64, h, w)
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            for block in stage:
                shortcut = block.shortcut(frames)
                frames = block.relu(block.branch(shift(frames, count, self.divisor)) + shortcut)
            maps.append(unfold(frames, count))
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return the mean over frames of each frame's features, (N, 512), for (N, 512, T, h, w)."""
        return super().pool(fold(last)).unflatten(0, (-1, last.shape[2])).mean(1)


def resnet18_tsm(classes: int, options: Mapping[str, Any] | None = None) -> ShiftedResNet:
    """Return ResNet-18 on clips. Options: `shift_divisor`."""
    return ShiftedResNet((2, 2, 2, 2), classes, **(options or {}))
