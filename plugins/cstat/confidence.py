"""Confidence maps (section III.C): how well the low view preserves each pixel of the high view.

A map computes a difference d >= 0 of the two images per pixel, normalises it to an information loss L in [0, 1], and
returns the confidence C = 1 - L. The paper's three maps differ in d: see `difference_map`, `gradient_map`, `mlp_map`.
Areas with C below a threshold take no part in the transfer; elsewhere C multiplies the attention. See
`attention_transfer/confidence.py`.
"""

from __future__ import annotations

from torch import Tensor, nn

FLAT = 1e-4  # smallest meaningful range of d, for pixels in [0, 1]; it avoids a division by 0


class ConfidenceMap(nn.Module):
    """Base of the three maps.

    normalise: how d becomes L, over the pixels of one interval. The paper only says "normalise".
        "max": L = d / max d. Equal images then have L = 0 and C = 1 everywhere.
        "min-max": L = (d - min d) / (max d - min d).
        "median": L = sigmoid((d - median) / mean|d - median|), for a trained d; see `mlp_map`.
        "absolute": L = min(d / largest, 1); 1 - exp(-d) for a trained d.
    What each can express: "max", "min-max" and "median" compare the pixels of one interval. Some pixel then has the
    largest loss of the interval, so that a slight loss and a total loss give the same map. "median" cannot say that
    nothing was lost, either: equal images have C = 1/2, and at least half of the pixels have L <= 1/2. With "absolute",
    L is 0 where nothing was lost, and close to 0 where little was lost, whatever the rest of the interval.
    """

    largest = 1.0  # d of a complete loss, for "absolute"

    def __init__(self, normalise: str) -> None:
        super().__init__()
        self.normalise = normalise

    def forward(self, high: Tensor, low: Tensor) -> Tensor:
        """Return C (N, [T,] H, W) in [0, 1] of images (N, 3, [T,] H, W) in [0, 1]. The images get no gradient."""
        return 1 - self.loss_map(self.difference(high.detach().float(), low.detach().float()))

    def difference(self, high: Tensor, low: Tensor) -> Tensor:
        """Return d >= 0, (N, [T,] H, W)."""
        raise NotImplementedError

    def loss_map(self, difference: Tensor) -> Tensor:
        """Return L in [0, 1] of d (N, [T,] H, W), normalised within each interval."""
        flat = difference.flatten(1)  # (N, pixels)
        if self.normalise == "max":
            return (flat / flat.amax(1, keepdim=True).clamp(min=FLAT)).reshape(difference.shape)
        if self.normalise == "min-max":
            low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
            return ((flat - low) / (high - low + FLAT)).reshape(difference.shape)
        if self.normalise == "absolute":
            return self.absolute(difference)
        centred = flat - flat.median(1, keepdim=True).values
        spread = centred.abs().mean(1, keepdim=True)
        return (centred / (spread + FLAT)).sigmoid().reshape(difference.shape)

    def absolute(self, difference: Tensor) -> Tensor:
        """Return L in [0, 1] of d, pixel by pixel."""
        return (difference / self.largest).clamp(max=1)


def frames_of(images: Tensor) -> Tensor:
    """Move time into the batch: (N, C, [T,] H, W) -> (N[*T], C, H, W)."""
    return images if images.ndim == 4 else images.transpose(1, 2).flatten(0, 1)
