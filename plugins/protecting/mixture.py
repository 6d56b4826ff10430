"""A mixture of Gaussians per pixel (Stauffer and Grimson, CVPR 1999), in grey levels, with Sigma = sigma² I.

For each frame X of a pixel:

- X matches the first Gaussian, in the order of weight / sigma, from whose mean each channel is at most 2.5 sigma away.
- weights: w <- (1 - alpha) w + alpha M, where M is 1 for the match and 0 for the others; then they sum to 1.
- the match: mu <- (1 - rho) mu + rho X; sigma² <- (1 - rho) sigma² + rho |X - mu|² / 3, with the new mu.
- no match: the last Gaussian in this order becomes one at X with a large sigma and the weight alpha.
- background: the first Gaussians in the order of weight / sigma whose weights exceed the part T of the whole. X is
  foreground if its match is none of them, or if it has none.

The paper has rho = alpha * density of X, which is nearly 0 in three channels, so that nothing would be learnt. Here it
is alpha / w with the new weight, the approximation of Power and Schoonees (Understanding Background Mixture Models for
Foreground Segmentation, 2002), at most 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

MATCH = 2.5  # standard deviations
SMALLEST = 2.0  # grey levels: without a bound, a still pixel without noise would match nothing but itself

Floats = npt.NDArray[np.float64]


class Mixture:
    """The background of one clip. gaussians: K. rate: alpha. share: T. sigma: of a new Gaussian, in grey levels."""

    def __init__(self, gaussians: int, *, rate: float, share: float, sigma: float) -> None:
        self.gaussians, self.rate, self.share, self.sigma = gaussians, rate, share, sigma
        self.weight: Floats | None = None  # (K, rows, columns)
        self.mean = self.variance = np.empty(0)  # (K, 3, rows, columns), (K, rows, columns)

    def foreground(self, picture: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """Return the foreground (rows, columns) of the next frame (3, rows, columns), and learn from it.

        The first frame is background: its Gaussian has the weight 1.
        """
        frame = picture.astype(np.float64)
        if self.weight is None:
            self._begin(frame)
            return np.zeros(frame.shape[1:], bool)
        self._sort()
        near = np.abs(frame - self.mean).max(axis=1) <= MATCH * np.sqrt(self.variance)  # (K, rows, columns)
        near &= self.weight > 0
        matched, first = near.any(axis=0), near.argmax(axis=0)  # (rows, columns)
        first = np.where(matched, first, self.gaussians - 1)
        chosen = np.arange(self.gaussians)[:, None, None] == first  # (K, rows, columns)
        self._learn(frame, chosen & matched)
        self._replace(frame, chosen & ~matched)
        self.weight /= self.weight.sum(axis=0)
        return ~(matched & (chosen & self._background()).any(axis=0))

    def _begin(self, frame: Floats) -> None:
        self.weight = np.zeros((self.gaussians, *frame.shape[1:]))
        self.weight[0] = 1
        self.mean = np.repeat(frame[None], self.gaussians, axis=0)
        self.variance = np.full_like(self.weight, self.sigma**2)

    def _order(self) -> npt.NDArray[np.int64]:
        assert self.weight is not None
        return np.argsort(-self.weight / np.sqrt(self.variance), axis=0, kind="stable")

    def _sort(self) -> None:
        """Order the Gaussians of each pixel by weight / sigma, the largest first."""
        assert self.weight is not None
        order = self._order()
        self.weight = np.take_along_axis(self.weight, order, axis=0)
        self.variance = np.take_along_axis(self.variance, order, axis=0)
        self.mean = np.take_along_axis(self.mean, order[:, None], axis=0)

    def _learn(self, frame: Floats, match: npt.NDArray[np.bool_]) -> None:
        assert self.weight is not None
        self.weight = (1 - self.rate) * self.weight + self.rate * match
        rho = np.where(match, np.minimum(self.rate / np.maximum(self.weight, self.rate), 1), 0)  # (K, rows, columns)
        self.mean = self.mean + rho[:, None] * (frame - self.mean)
        distance = ((frame - self.mean) ** 2).mean(axis=1)  # |X - mu|² / 3
        self.variance = np.maximum((1 - rho) * self.variance + rho * distance, SMALLEST**2)

    def _replace(self, frame: Floats, new: npt.NDArray[np.bool_]) -> None:
        assert self.weight is not None
        self.weight = np.where(new, self.rate, self.weight)
        self.mean = np.where(new[:, None], frame, self.mean)
        self.variance = np.where(new, self.sigma**2, self.variance)

    def _background(self) -> npt.NDArray[np.bool_]:
        """Return which Gaussians are background, (K, rows, columns): the weights before them sum to at most T."""
        assert self.weight is not None
        order = self._order()
        ordered = np.take_along_axis(self.weight, order, axis=0)
        before = np.cumsum(ordered, axis=0) - ordered
        found = np.empty_like(before, bool)
        np.put_along_axis(found, order, before <= self.share, axis=0)
        return found
