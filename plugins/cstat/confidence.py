"""How far the high view may be trusted where: confidence maps (section III.C), and what the transfer does with them.

d >= 0 says how much was lost at a pixel; normalised, it is the information loss L, and the confidence is C = 1 - L.
Where C reaches a threshold, an area takes part in the transfer, and its attention is multiplied by C; elsewhere nothing
is transferred. What d is tells the paper's three maps apart: `difference_map`, `gradient_map`, `mlp_map`.
"""

from __future__ import annotations

from torch import Tensor, nn

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
