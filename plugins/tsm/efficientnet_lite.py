"""EfficientNet-Lite0 with temporal shift (Lin et al., TSM, ICCV 2019), with the parameter names of the 2D network.

Example::

    network = efficientnet_lite0_tsm(101)
    load_imagenet(network)
    logits = network((pixels - 127) / 128)  # pixels (N, 3, T, H, W) in [0, 255] to (N, 101)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from elrbench_plugins.efficientnet_lite.efficientnet_lite import EfficientNetLite
from elrbench_plugins.tsm.shift import fold, shift, unfold


class ShiftedEfficientNetLite(EfficientNetLite):
    """An EfficientNet-Lite on clips. Frames are shifted in the branch of each block that has a shortcut.

    The paper shifts its MobileNet-V2, whose blocks have the same form, in the same places. Stochastic depth skips a
    block for single frames, as in the 2D network.
    """

    def __init__(self, classes: int, dropout: float = 0.2, drop_connect: float = 0.2, shift_divisor: int = 8) -> None:
        super().__init__(classes, dropout, drop_connect)
        self.divisor = shift_divisor

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the maps at strides 4, 8, 16, 32, each (N, C_i, T, h_i, w_i), for normalised x (N, 3, T, H, W)."""
        count = x.shape[2]
        frames = self._relu(self._bn0(self._conv_stem(fold(x))))  # (N*T, 32, h, w)
        maps = []
        for index, block in enumerate(self._blocks):
            if block.shortcut:
                frames = block.branch(shift(frames, count, self.divisor)) + frames
            else:
                frames = block(frames)
            if index in self.tapped:
                maps.append(unfold(frames, count))
        return [*maps, unfold(self._relu(self._bn1(self._conv_head(frames))), count)]

    def pool(self, last: Tensor) -> Tensor:
        """Return the mean over frames of each frame's features, (N, 1280), for (N, 1280, T, h, w)."""
        return super().pool(fold(last)).unflatten(0, (-1, last.shape[2])).mean(1)


def efficientnet_lite0_tsm(classes: int, options: Mapping[str, Any] | None = None) -> ShiftedEfficientNetLite:
    """Return a newly initialised network. Options: `dropout`, `drop_connect`, `shift_divisor`."""
    return ShiftedEfficientNetLite(classes, **(options or {}))
