"""How far the high view may be trusted where: the MLP-based confidence score (section III.C, Fig. 7, bottom).

An extractor E of two 3x3 convolutions, shared by both networks, looks at the high and at the low image;
d = |E(HR) - E(eLR)| says how much was lost at a pixel, its normalised form is the information loss L, and the
confidence is C = 1 - L.

E is trained by the transfer loss, so C drifts to where both networks agree anyway: the cosine of eq. 2 is 1 on a single
pixel, and with no pixel at all there is no loss. Three things keep it well-posed.

1. L = sigmoid((d - median) / mean|d - median|) over one interval. Neither d's scale nor its offset matters. The lower
   half of d has L <= 1/2, so at a threshold of 1/2 or less, at least half of an interval's pixels are always involved,
   and the mean of C stays within [1/4, 3/4], whatever E does.
2. At a threshold of 1/2, involved pixels have C from 1/2 to 1: none outweighs another by more than 2, so C cannot
   narrow to a point.
3. The threshold has no gradient, so it is passed straight through: a pixel that fell out can come back.

What E can learn is which half of an interval to trust. The min-max normalisation, the plainest reading of "normalised",
gives none of these bounds: it is there to be compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from elrbench_plugins.cstat.attention import mean_over_real

FLAT = 1e-4  # of E's output for pixels in [0, 1]: a spread below it is a flat image, not information


class Confidence(nn.Module):
    """Images of both networks (N, 3, [T,] H, W) in [0, 1] to the confidence map (N, [T,] H, W) in [0, 1].

    width: filters of the first convolution; the paper gives two layers of 3x3 and no width.
    normalise: "median" or "min-max", over the pixels of one interval; see the module.
    """

    def __init__(self, width: int = 16, normalise: str = "median") -> None:
        super().__init__()
        self.normalise = normalise
        self.extractor = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 3, padding=1, bias=False),  # a bias would cancel in d
        )

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """See the class. No gradient goes to the images."""
        return 1 - self.loss_map(self.difference(high.detach().float(), low.detach().float()))

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """d = |E(HR) - E(eLR)|, (N, [T,] H, W)."""
        both = torch.stack([high, low])  # (2, N, 3, [T,] H, W)
        frames = both if both.ndim == 5 else both.transpose(2, 3)  # (2, N, [T,] 3, H, W)
        seen = self.extractor(frames.flatten(0, -4)).squeeze(1)  # (2*N[*T], H, W)
        seen = seen.unflatten(0, frames.shape[:-3])  # (2, N, [T,] H, W)
        return (seen[0] - seen[1]).abs()  # type: ignore[no-any-return]

    def loss_map(self, difference: Tensor) -> Tensor:
        """L in [0, 1] of d (N, [T,] H, W), normalised within each interval."""
        flat = difference.flatten(1)  # (N, pixels)
        if self.normalise == "min-max":
            low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
            return ((flat - low) / (high - low + FLAT)).reshape(difference.shape)
        centred = flat - flat.median(1, keepdim=True).values
        spread = centred.abs().mean(1, keepdim=True)
        return (centred / (spread + FLAT)).sigmoid().reshape(difference.shape)


def involved(confidence: Tensor, threshold: float) -> Tensor:
    """C where it reaches the threshold, 0 elsewhere; the gradient is that of C (straight-through)."""
    kept = confidence * (confidence >= threshold)
    return confidence + (kept - confidence).detach()


def at_stage(confidence: Tensor, shape: Sequence[int]) -> Tensor:
    """A map (N, [T,] H, W) averaged down to a stage's ([T_i,] h_i, w_i): (N, [T_i,] h_i, w_i)."""
    average: Callable[..., Tensor] = adaptive_avg_pool2d if len(shape) == 2 else adaptive_avg_pool3d
    return average(confidence.unsqueeze(1), tuple(shape)).squeeze(1)


def video_score(confidence: Tensor, mask: Tensor, threshold: float) -> Tensor:
    """The temporal confidence of each clip, (B,).

    Per interval, the share of un-lost pixels within the high-information area (C >= threshold): a pixel is un-lost to
    the degree C, so the share is C's mean there, and 0 without such an area. Then the mean over the real intervals.
    It weighs the temporal term and is not trained by it: E would lower the score instead of the distance.
    """
    flat = confidence.detach().flatten(1)  # (B*K, pixels)
    area = (flat >= threshold).to(flat.dtype)
    share = (flat * area).sum(1) / area.sum(1).clamp(min=1)  # (B*K,)
    return mean_over_real(share.reshape(mask.shape), mask)


def spread(confidence: Tensor) -> Tensor:
    """Entropy of the maps as distributions over pixels, as a share of the uniform one's: 0 is a single pixel."""
    flat = confidence.detach().flatten(1)  # (N, pixels)
    share = flat / flat.sum(1, keepdim=True).clamp(min=1e-12)
    entropy = -torch.special.xlogy(share, share).sum(1)
    return (entropy / torch.tensor(float(flat.shape[1])).log()).mean()
