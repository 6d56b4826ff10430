"""The difference-based confidence map (section III.C.1.a; Fig. 7, top): the change of grey level."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.cstat.confidence import ConfidenceMap

WEIGHTS = {"bt601": (0.299, 0.587, 0.114), "mean": (1 / 3, 1 / 3, 1 / 3)}  # of red, green, blue
LEVELS = 255  # grey levels of 1.0
ROUNDING = 1e-3  # grey levels; in float32 a difference of exactly `same` may come out slightly smaller


class Difference(ConfidenceMap):
    """d = |grey(HR) - grey(eLR)|, set to 0 below `same` grey levels of 255 (section IV.B: 24). No parameters."""

    def __init__(self, same: float = 24.0, normalise: str = "max", grey: str = "bt601") -> None:
        super().__init__(normalise)
        self.same = same
        self.grey = grey

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """Return d, (N, [T,] H, W)."""
        apart = (brightness(high, self.grey) - brightness(low, self.grey)).abs()
        return apart.where(apart * LEVELS >= self.same - ROUNDING, 0)


def brightness(images: Tensor, grey: str = "bt601") -> Tensor:
    """Return grey levels (N, [T,] H, W) of images (N, 3, [T,] H, W), or the vector length of flow (N, 2, [T,] H, W)."""
    if images.shape[1] != 3:
        return torch.linalg.vector_norm(images, dim=1)
    return torch.tensordot(images, images.new_tensor(WEIGHTS[grey]), dims=([1], [0]))
