"""The difference-based confidence map (section III.C.1.a; Fig. 7, top): what was lost is what changed in brightness."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.cstat.confidence import ConfidenceMap

WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "mean": (1 / 3, 1 / 3, 1 / 3)}  # of red, green, blue
LEVELS = 255  # grey levels of 1.0
ROUNDING = 1e-3  # grey levels: float32's, so that a difference of exactly the bound is not below it


class Difference(ConfidenceMap):
    """d = |grey(HR) - grey(eLR)|, and 0 where that is less than `same` grey levels of 255 (section IV.B: 24).

    It has no parameters: nothing of it is trained.
    """

    def __init__(self, same: float = 24.0, normalise: str = "max", grey: str = "bt601") -> None:
        super().__init__(normalise)
        self.same = same
        self.grey = grey

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """d, (N, [T,] H, W)."""
        apart = (brightness(high, self.grey) - brightness(low, self.grey)).abs()
        return apart.where(apart * LEVELS >= self.same - ROUNDING, 0)


def brightness(images: Tensor, grey: str = "bt601") -> Tensor:
    """(N, C, [T,] H, W) to (N, [T,] H, W). Three channels are weighted as `grey` says; of flow it is the length."""
    if images.shape[1] != 3:
        return torch.linalg.vector_norm(images, dim=1)
    return torch.tensordot(images, images.new_tensor(WEIGHTS[grey]), dims=([1], [0]))
