"""Build the enhancer: a network on seven frames, applied to each of 16 frames.

Example::

    enhance = duf_s((12, 16), (48, 64), {"resize": False, "start": "authors"})
    enhance(torch.rand(2, 3, 16, 12, 16))  # (2, 3, 16, 48, 64)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from benchmark_core.specs import Value
from elrbench_plugins.dbpn.scales import Size, source_of, times
from elrbench_plugins.duf.network import FRAMES, SCALE, Duf
from elrbench_plugins.duf.network import duf as authors
from elrbench_plugins.interpolation.interpolation import Interpolation
from elrbench_plugins.rrdb.scales import check_sizes

AT_ONCE = 16  # frames that the enhancer takes


class VideoSuperResolution(nn.Module):
    """Enlarge float (N, 3, 16, h, w) in [0, 1] to (N, 3, 16, H, W) in [0, 1].

    source: (h', w') of the network's input. A view of another size is first resized to it, bicubically.
    size: (H, W) of the output. If by 4 gives another size, the output is resized bicubically.
    Before the first frame and after the last, these two are repeated.
    """

    def __init__(self, network: Duf, source: Size, size: Size) -> None:
        super().__init__()
        self.frames = AT_ONCE
        self.network = network
        made = times(source, SCALE)
        self.to_source, self.to_made, self.to_size = (Interpolation(to, "bicubic") for to in (source, made, size))

    def forward(self, low: Tensor) -> Tensor:
        """Return the view at network size, (N, 3, 16, H, W) in [0, 1]."""
        number, _, frames = low.shape[:3]
        source = self.to_source(low.transpose(1, 2).flatten(0, 1))  # (N * 16, 3, h', w')
        each = source.unflatten(0, (number, frames)).unbind(1)  # 16 of (N, 3, h', w')
        made = torch.stack([self.network(window(each, at)) for at in range(frames)], 1)  # one by one, to save memory
        seen = self.to_size(made.flatten(0, 1).clamp(0, 1))  # (N * 16, 3, H, W)
        view: Tensor = seen.unflatten(0, (number, frames)).transpose(1, 2)
        return view


def window(frames: Sequence[Tensor], at: int) -> Tensor:
    """Return the seven frames around number `at`, (N, 3, 7, h, w), of frames (N, 3, h, w); the ends are repeated."""
    numbers = range(at - FRAMES // 2, at + FRAMES // 2 + 1)
    return torch.stack([frames[min(max(number, 0), len(frames) - 1)] for number in numbers], 2)


def public_part(module: VideoSuperResolution) -> Duf:
    """Return the part whose weights the public checkpoints hold."""
    return module.network


def duf(low: Size | None, size: Size, options: Mapping[str, Value]) -> VideoSuperResolution:
    """Build the authors' network from (h, w), or None for clips of any size, to (H, W).

    options: `layers`, `resize`, `start`.
    """
    return _built(low, size, options, authors(int(options["layers"])))


def duf_s(low: Size | None, size: Size, options: Mapping[str, Value]) -> VideoSuperResolution:
    """As `duf` with 16 layers, of a quarter of the channels or less."""
    return _built(low, size, options, Duf(3, 8, features=16, width=64, filters=64))


def _built(low: Size | None, size: Size, options: Mapping[str, Value], network: Duf) -> VideoSuperResolution:
    check_sizes(low, size, options, "duf", SCALE)
    if options["start"] == "bilinear":
        network.start_bilinear()
    return VideoSuperResolution(network, source_of(low, size, SCALE), size)
