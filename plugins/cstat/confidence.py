"""How far the high view may be trusted where: confidence maps (section III.C), and what the transfer does with them.

d >= 0 says how much was lost at a pixel; normalised, it is the information loss L, and the confidence is C = 1 - L.
Where C reaches a threshold, an area takes part in the transfer, and its attention is multiplied by C; elsewhere nothing
is transferred. What d is tells the paper's three maps apart: `difference_map`, `gradient_map`, `mlp_map`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, adaptive_avg_pool3d

from elrbench_plugins.cstat.attention import mean_over_real

FLAT = 1e-4  # of d for pixels in [0, 1]: a spread below it is a flat image, not information


class ConfidenceMap(nn.Module):
    """Images of both networks (N, 3, [T,] H, W) in [0, 1] to the confidence map (N, [T,] H, W) in [0, 1].

    normalise: of d over the pixels of one interval. The paper says no more than "normalise".
        "max": L = d / max d. What was lost nowhere stays 0, so equal images are trusted throughout.
        "min-max": from the interval's smallest to its largest.
        "median": L = sigmoid((d - median) / mean|d - median|), for a d that is trained; see `mlp_map`.
    """

    def __init__(self, normalise: str) -> None:
        super().__init__()
        self.normalise = normalise

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """See the class. No gradient goes to the images."""
        return 1 - self.loss_map(self.difference(high.detach().float(), low.detach().float()))

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """d of the images: (N, [T,] H, W), not negative."""
        raise NotImplementedError

    def loss_map(self, difference: Tensor) -> Tensor:
        """L in [0, 1] of d (N, [T,] H, W), normalised within each interval."""
        flat = difference.flatten(1)  # (N, pixels)
        if self.normalise == "max":
            return (flat / flat.amax(1, keepdim=True).clamp(min=FLAT)).reshape(difference.shape)
        if self.normalise == "min-max":
            low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
            return ((flat - low) / (high - low + FLAT)).reshape(difference.shape)
        centred = flat - flat.median(1, keepdim=True).values
        spread = centred.abs().mean(1, keepdim=True)
        return (centred / (spread + FLAT)).sigmoid().reshape(difference.shape)


def frames_of(images: Tensor) -> Tensor:
    """(N, C, [T,] H, W) to (N[*T], C, H, W): frames one after the other."""
    return images if images.ndim == 4 else images.transpose(1, 2).flatten(0, 1)


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
