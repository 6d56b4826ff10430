"""Non-local means over time (Buades, Coll and Morel, 2005), on small patches, at the low size.

A pixel x of frame t becomes the weighted mean of the pixel in the frames t - r to t + r, with the weights
w = exp(-max(d^2 - 2 sigma^2, 0) / (2 s^2 sigma^2)) for the mean squared difference d^2 of the patches around it.
2 sigma^2 is what noise alone makes of d^2. What moves by more than the noise is left alone.

Example::

    clean = TemporalDenoise(sigma=2.0)(torch.rand(1, 3, 16, 12, 16))  # the same shape
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, pad

from benchmark_core.specs import Value
from elrbench_plugins.interpolation.interpolation import Interpolation

MAD = 0.6745  # median of |x| of a standard normal variable


class TemporalDenoise(nn.Module):
    """Map (N, 3, T, h, w) in [0, 1] to the same shape. sigma: in grey levels of 255; 0: estimated for each item.

    A frame that equals the one before it exactly, as the fill of a short clip does, holds no new noise: it gets the
    result of that frame and no weight.
    """

    def __init__(
        self, filter: str = "nlm", radius: int = 2, patch: int = 3, sigma: float = 0.0, strength: float = 1.0
    ) -> None:
        super().__init__()
        self.filter, self.radius, self.patch = filter, radius, patch
        self.sigma, self.strength = sigma, strength

    def forward(self, video: Tensor) -> Tensor:
        """Return the filtered video."""
        frames = video.shape[2]
        new = torch.ones(video.shape[0], frames, device=video.device, dtype=video.dtype)
        new[:, 1:] = (video[:, :, 1:] != video[:, :, :-1]).flatten(3).any(3).any(1).to(video.dtype)  # (N, T)
        sigma = self._sigma(video, new)  # (N,)
        total, weights = torch.zeros_like(video), torch.zeros_like(video[:, :1])
        for shift in range(-self.radius, self.radius + 1):
            first, last = max(0, -shift), min(frames, frames - shift)
            if first >= last:
                continue
            here, other = video[:, :, first:last], video[:, :, first + shift : last + shift]
            weight = self._weight(here, other, sigma) if shift else torch.ones_like(here[:, :1])  # (N, 1, t, h, w)
            if shift:
                weight = weight * new[:, None, first + shift : last + shift, None, None]
            total[:, :, first:last] += weight * other
            weights[:, :, first:last] += weight
        return _hold(total / weights, new)

    def _weight(self, here: Tensor, other: Tensor, sigma: Tensor) -> Tensor:
        if self.filter == "box":
            return torch.ones_like(here[:, :1])
        squared = ((here - other) ** 2).mean(1)  # (N, t, h, w)
        side = self.patch // 2
        distance = avg_pool2d(pad(squared, [side] * 4, mode="replicate"), self.patch, stride=1)
        noise = sigma.reshape(-1, 1, 1, 1) ** 2
        return (-(distance - 2 * noise).clamp(min=0) / (2 * self.strength**2 * noise)).exp().unsqueeze(1)

    def _sigma(self, video: Tensor, new: Tensor) -> Tensor:
        """Return the noise of each item, (N,): as given, or estimated from its differences of frames."""
        if self.sigma:
            return video.new_full((video.shape[0],), self.sigma / 255)
        if video.device.type == "meta":
            return video.new_ones(video.shape[0])
        return estimate_sigma(video, new)


def estimate_sigma(video: Tensor, new: Tensor) -> Tensor:
    """Return the standard deviation (N,) of the noise of videos (N, 3, T, h, w): robust, as most pixels do not change.

    The median absolute difference of consecutive new frames, divided by 0.6745 and the square root of 2. At least 1/10
    of a grey level. Of an even number of differences, the lower middle one.
    new: (N, T), 0 for frames that equal the one before; the next new frame then differs from it as from the last new.
    Written without indexing by `new`, so that it can be exported.
    """
    least = video.new_full((video.shape[0],), 0.1 / 255)
    if video.shape[2] < 2:
        return least
    gaps = (video[:, :, 1:] - video[:, :, :-1]).abs()  # (N, 3, T - 1, h, w)
    used = (new[:, None, 1:, None, None] > 0).expand_as(gaps).flatten(1)
    ordered = gaps.flatten(1).where(used, torch.inf).sort(1).values  # those that are not used come last
    middle = ((used.sum(1, keepdim=True) - 1) // 2).clamp(min=0)
    median = ordered.gather(1, middle).squeeze(1)
    return torch.maximum(median.where(used.any(1), 0) / (MAD * 2**0.5), least)


def _hold(video: Tensor, new: Tensor) -> Tensor:
    """Return the video (N, 3, T, h, w) with frames where `new` (N, T) is 0 replaced by the last new one."""
    number = torch.arange(new.shape[1], device=new.device)
    until = number <= number[:, None]  # (T, T): frames up to each frame
    last = torch.where((new[:, None] > 0) & until, number, 0).amax(2)  # (N, T)
    return torch.gather(video, 2, last[:, None, :, None, None].expand_as(video))


class DenoiseThenEnlarge(nn.Module):
    """Map (N, 3, frames, h, w) to (N, 3, frames, H, W)."""

    def __init__(self, size: tuple[int, int], mode: str, options: Mapping[str, Value]) -> None:
        super().__init__()
        self.denoise = TemporalDenoise(**options)  # type: ignore[arg-type]
        self.enlarge = Interpolation(size, mode)

    def forward(self, low: Tensor) -> Tensor:
        """Return the denoised frames at network size."""
        video = self.denoise(low)
        frames = self.enlarge(video.transpose(1, 2).flatten(0, 1))  # (N*T, 3, H, W)
        return frames.unflatten(0, (low.shape[0], -1)).transpose(1, 2)


def bilinear(low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value]) -> DenoiseThenEnlarge:
    """Return the denoiser with bilinear interpolation."""
    return DenoiseThenEnlarge(size, "bilinear", options)


def bicubic(low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value]) -> DenoiseThenEnlarge:
    """Return the denoiser with bicubic interpolation."""
    return DenoiseThenEnlarge(size, "bicubic", options)
