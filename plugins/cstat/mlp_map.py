"""The MLP-based confidence map (section III.C.1.c; Fig. 7, bottom).

An extractor E of two 3x3 convolutions, shared by both networks, sees the high and the low image; d = |E(HR) - E(eLR)|.

The transfer loss trains E, so C could drift to areas where both networks already agree: the cosine of eq. 2 is 1 on a
single pixel, and the loss is 0 without any pixel. Three choices prevent this.

1. L = sigmoid((d - median) / mean|d - median|) over one interval, so that scale and offset of d do not matter. The
   lower half of d has L <= 1/2. At a threshold of 1/2 or less, at least half of an interval's pixels take part, and
   the mean of C stays within [1/4, 3/4], for any E.
2. At a threshold of 1/2, the pixels that take part have C from 1/2 to 1. None outweighs another by more than 2, so C
   cannot shrink to a point.
3. The threshold passes the gradient straight through, so that a pixel below it can return.

E can thus learn which half of an interval to trust. The other normalisations are plainer readings of "normalised" but
have none of these bounds; they are there for comparison.

The bounds have a price: a map around its median cannot say that nothing or everything was lost. "absolute" can:
C = exp(-d) is 1 where E sees no difference, and an untrained E starts close to 1.

The loss that trains E is an option. The transfer loss reaches E through eq. 2. The classification loss reaches it
through `attention_transfer/gate.py`; the map that serves classification is then the one that weights the transfer.

"Two convolutional layers with K = 3 filters" is read as kernels of 3x3. The other reading has three filters in each
layer (width=3, outputs=3; the kernels stay 3x3, as the text then names no size).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elrbench_plugins.cstat.confidence import ConfidenceMap


class Mlp(ConfidenceMap):
    """d = |E(HR) - E(eLR)| of a trained extractor E, the mean over its outputs.

    width: filters of the first convolution; the paper names two 3x3 layers and no width. channels: of an image.
    outputs: filters of the second convolution.
    """

    def __init__(self, width: int = 16, normalise: str = "median", channels: int = 3, outputs: int = 1) -> None:
        super().__init__(normalise)
        self.extractor = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, outputs, 3, padding=1, bias=False),  # a bias would cancel in d
        )

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """Return d, (N, [T,] H, W)."""
        both = torch.stack([high, low])  # (2, N, C, [T,] H, W)
        frames = both if both.ndim == 5 else both.transpose(2, 3)  # (2, N, [T,] C, H, W)
        seen = self.extractor(frames.flatten(0, -4))  # (2*N[*T], outputs, H, W)
        seen = seen.unflatten(0, frames.shape[:-3])  # (2, N, [T,] outputs, H, W)
        return (seen[0] - seen[1]).abs().mean(-3)  # type: ignore[no-any-return]

    def absolute(self, difference: Tensor) -> Tensor:
        """Return L = 1 - exp(-d): d has no largest value, and the gradient vanishes for no d."""
        return -torch.expm1(-difference)
