"""The encoder: Gaussian blur, difference of consecutive frames, quantisation by a sum of sigmoids.

Example::

    encode = Encoder((96, 128), kernel=5, sigma=3.0, learn_sigma=True, bits=4, hardness=5.0)
    encode(torch.rand(2, 3, 16, 48, 64))  # (2, 3, 16, 96, 128) in [0, 1]; 0.5 is no motion
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from benchmark_core.specs import Value
from elrbench_plugins.interpolation.interpolation import Interpolation

LEAST = 1e-4  # smallest range of differences, as in the authors' code: less is no motion


class Blur(nn.Module):
    """Convolve each frame with G(x, y) ~ exp(-(x² + y²) / (2 sigma²)), normalised over the kernel. Borders repeat.

    The logarithm of sigma is learnt, so that sigma stays positive; a buffer if it is fixed.
    """

    log_sigma: Tensor

    def __init__(self, kernel: int, sigma: float, *, learn: bool) -> None:
        super().__init__()
        self.kernel = kernel
        value = torch.tensor(math.log(sigma))
        if learn:
            self.log_sigma = nn.Parameter(value)
        else:
            self.register_buffer("log_sigma", value)

    def weights(self) -> Tensor:
        """Return the kernel of one axis, (kernel,); its sum is 1."""
        x = torch.arange(self.kernel, device=self.log_sigma.device) - (self.kernel - 1) / 2
        return torch.softmax(-0.5 * (x / self.log_sigma.exp()) ** 2, 0)

    def forward(self, frames: Tensor) -> Tensor:
        """Return (N, 3, h, w) blurred."""
        side, weights = self.kernel // 2, self.weights().to(frames.dtype)
        single = pad(frames, [side] * 4, mode="replicate").flatten(0, 1).unsqueeze(1)  # (N*3, 1, h+2s, w+2s)
        across = conv2d(single, weights.reshape(1, 1, 1, -1))
        return conv2d(across, weights.reshape(1, 1, -1, 1)).reshape(frames.shape)


def difference(video: Tensor) -> Tensor:
    """Return each frame of (N, 3, T, h, w) minus the one before it; the first result repeats the second."""
    if video.shape[2] < 2:
        return torch.zeros_like(video)
    gaps = video[:, :, 1:] - video[:, :, :-1]
    return torch.cat([gaps[:, :, :1], gaps], 2)


class Quantise(nn.Module):
    """Map differences to 2^k levels: y = sum_i sigmoid(H (x - b_i)) over 2^k - 1 learnt thresholds b_i.

    x is the difference, scaled from the range of the item's frames to 0 … 2^k - 1; y is scaled back by it. The
    thresholds begin half-way between the levels, at 0.5, 1.5, …, so that y begins as x rounded.
    """

    def __init__(self, bits: int, hardness: float) -> None:
        super().__init__()
        self.top = 2**bits - 1
        self.hardness = hardness
        self.thresholds = nn.Parameter(torch.arange(self.top) + 0.5)

    def forward(self, gaps: Tensor) -> Tensor:
        """Return (N, 3, T, h, w) quantised, in the units of `gaps`."""
        low, high = gaps.amin((1, 2, 3, 4), keepdim=True), gaps.amax((1, 2, 3, 4), keepdim=True)
        scaled = (gaps - low) / (high - low + LEAST) * self.top
        y = torch.zeros_like(scaled)
        for threshold in self.thresholds.unbind():  # one after the other: memory
            y = y + torch.sigmoid(self.hardness * (scaled - threshold))
        return y * ((high - low) / self.top).clamp(min=LEAST) + low

    @torch.no_grad()
    def project(self) -> None:
        """Keep the thresholds between 0 and 2^k - 1, in order, after an update."""
        self.thresholds.copy_(self.thresholds.clamp(0, self.top).sort().values)


class Encoder(nn.Module):
    """Map (N, 3, T, h, w) in [0, 1] to (N, 3, T, H, W) in [0, 1]: the quantised difference d as (d + 1) / 2."""

    def __init__(
        self, size: tuple[int, int], *, kernel: int, sigma: float, learn_sigma: bool, bits: int, hardness: float
    ) -> None:
        super().__init__()
        self.blur = Blur(kernel, sigma, learn=learn_sigma)
        self.quantise = Quantise(bits, hardness)
        self.enlarge = Interpolation(size, "bilinear")

    def forward(self, low: Tensor) -> Tensor:
        """Return the encoded frames."""
        frames = self.blur(low.transpose(1, 2).flatten(0, 1))  # (N*T, 3, h, w)
        video = frames.unflatten(0, (low.shape[0], -1)).transpose(1, 2)
        encoded = ((self.quantise(difference(video)) + 1) / 2).clamp(0, 1)
        image = self.enlarge(encoded.transpose(1, 2).flatten(0, 1))  # (N*T, 3, H, W)
        return image.unflatten(0, (low.shape[0], -1)).transpose(1, 2)


def build(low: tuple[int, int] | None, size: tuple[int, int], options: Mapping[str, Value]) -> Encoder:
    """Return an encoder from any low size to (H, W), with the options of the enhancer `bdq`."""
    return Encoder(
        size,
        kernel=int(options["kernel"]),
        sigma=float(options["sigma"]),
        learn_sigma=bool(options["learn_sigma"]),
        bits=int(options["bits"]),
        hardness=float(options["hardness"]),
    )


def public_part(module: Encoder) -> nn.Module:
    """Return the part whose weights a file holds: all of it."""
    return module
