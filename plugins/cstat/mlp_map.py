"""The MLP-based confidence map (section III.C.1.c; Fig. 7, bottom).

An extractor E of two 3x3 convolutions, shared by both networks, looks at the high and at the low image;
d = |E(HR) - E(eLR)|.

E is trained by the transfer loss, so C drifts to where both networks agree anyway: the cosine of eq. 2 is 1 on a single
pixel, and with no pixel at all there is no loss. Three things keep it well-posed.

1. L = sigmoid((d - median) / mean|d - median|) over one interval. Neither d's scale nor its offset matters. The lower
   half of d has L <= 1/2, so at a threshold of 1/2 or less, at least half of an interval's pixels are always involved,
   and the mean of C stays within [1/4, 3/4], whatever E does.
2. At a threshold of 1/2, involved pixels have C from 1/2 to 1: none outweighs another by more than 2, so C cannot
   narrow to a point.
3. The threshold has no gradient, so it is passed straight through: a pixel that fell out can come back.

What E can learn is which half of an interval to trust. The other normalisations, plainer readings of "normalised", give
none of these bounds: they are there to be compared with.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elrbench_plugins.cstat.confidence import ConfidenceMap


class Mlp(ConfidenceMap):
    """|E(HR) - E(eLR)|, trained.

    width: filters of the first convolution; the paper gives two layers of 3x3 and no width. channels: of an image.
    """

    def __init__(self, width: int = 16, normalise: str = "median", channels: int = 3) -> None:
        super().__init__(normalise)
        self.extractor = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 3, padding=1, bias=False),  # a bias would cancel in d
        )

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """d = |E(HR) - E(eLR)|, (N, [T,] H, W)."""
        both = torch.stack([high, low])  # (2, N, C, [T,] H, W)
        frames = both if both.ndim == 5 else both.transpose(2, 3)  # (2, N, [T,] C, H, W)
        seen = self.extractor(frames.flatten(0, -4)).squeeze(1)  # (2*N[*T], H, W)
        seen = seen.unflatten(0, frames.shape[:-3])  # (2, N, [T,] H, W)
        return (seen[0] - seen[1]).abs()  # type: ignore[no-any-return]
