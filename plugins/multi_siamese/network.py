"""A two-stream network on frames of a dozen pixels with a temporal pyramid, after Ryoo et al. (AAAI 2018).

A frame's descriptor joins those of its picture and of a stack of optical flow. The pyramid takes the maximum of each
number in 1, 2, 4 and 8 equal parts of the clip. One layer maps the result to the embedding, another one to the classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.hof_svm.flow import flow_of

STACK = 10  # fields of flow per frame
MAP = (3, 4)  # rows and columns that the first dense layer reads
GREY = (0.299, 0.587, 0.114)  # BT.601


class Stream(nn.Module):
    """Three 3x3 convolutions with BN and ReLU, two pooled, and a dense layer: (n, inputs, 12, 16) to (n, width)."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        sizes = (inputs, 32, 64, 128)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1) for i, o in zip(sizes, sizes[1:], strict=False))
        self.norms = nn.ModuleList(nn.BatchNorm2d(size) for size in sizes[1:])
        self.dense = nn.Linear(sizes[-1] * MAP[0] * MAP[1], width)

    def forward(self, x: Tensor) -> Tensor:
        """Return descriptors. Maps of another size are averaged to 3x4 before the dense layer."""
        for number, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            x = F.relu(norm(conv(x)))
            if number < 2:
                x = F.max_pool2d(x, 2)
        if x.shape[2:] != MAP:
            x = F.adaptive_avg_pool2d(x, MAP)
        return F.relu(self.dense(x.flatten(1)))


def stacked(motion: Tensor, size: int = STACK) -> Tensor:
    """Return for each of T frames its flow and the next ones, (N, T, 2 size, H, W), of fields (N, T, 2, H, W).

    At the clip's end, the last field repeats.
    """
    frames = motion.shape[1]
    number = torch.arange(frames, device=motion.device)
    around = (number[:, None] + torch.arange(size, device=motion.device)).clamp(max=frames - 1)  # (T, size)
    return motion[:, around].flatten(2, 3)


def pyramid(series: Tensor, levels: int) -> Tensor:
    """Return the maxima of series (N, T, D) in 2^levels - 1 parts, (N, parts, D): the whole, its halves, and so on.

    A part that is shorter than a frame has the maximum of the frames that it overlaps.
    """
    found = [F.adaptive_max_pool1d(series.transpose(1, 2), 2**level) for level in range(levels)]
    return torch.cat(found, 2).transpose(1, 2)


class LrTwoStream(nn.Module):
    """Both streams, the temporal pyramid, the embedding and the classifier.

    width: numbers of each stream's descriptor. levels: of the pyramid. embedding: its numbers, E.
    """

    grey: Tensor
    not_exportable = "it computes optical flow with OpenCV"
    rgb_only = "it computes optical flow from the grey levels of its input"

    def __init__(self, classes: int, *, width: int = 128, levels: int = 4, embedding: int = 256) -> None:
        super().__init__()
        self.spatial, self.temporal = Stream(3, width), Stream(2 * STACK, width)
        self.levels, self.num_features = levels, embedding
        self.embed = nn.Linear((2**levels - 1) * 2 * width, embedding)
        self.fc = nn.Linear(embedding, classes)
        self.register_buffer("grey", torch.tensor(GREY), persistent=False)
        # Maps get the weights' memory format. A CPU step takes 0.7 of the time.
        self.to(memory_format=torch.channels_last)

    def flow(self, x: Tensor) -> Tensor:
        """Return flow (N, T, 2, H, W) in pixels, right and down, of clips (N, 3, T, H, W) in [-1, 1].

        The last frame repeats the field before it.
        """
        with torch.no_grad():
            levels = ((x.float() * 0.5 + 0.5) * self.grey[:, None, None, None]).sum(1) * 255  # (N, T, H, W)
            between = torch.stack([flow_of(each) for each in levels])  # (N, T-1, 2, H, W), or one entry for one frame
            frames = torch.arange(x.shape[2], device=x.device).clamp(max=between.shape[1] - 1)
            return between[:, frames]

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return [the frames' descriptors, (N, 2 width, T, 1, 1)] of clips (N, 3, T, H, W) in [-1, 1]."""
        clips, _, frames = x.shape[:3]
        pictures = x.transpose(1, 2).flatten(0, 1)  # (N*T, 3, H, W)
        motion = stacked(self.flow(x)).flatten(0, 1).to(x.dtype)  # (N*T, 20, H, W)
        found = torch.cat([self.spatial(pictures), self.temporal(motion)], 1)  # (N*T, D)
        return [found.unflatten(0, (clips, frames)).transpose(1, 2)[..., None, None]]

    def pool(self, last: Tensor) -> Tensor:
        """Return the embeddings (N, E) of descriptors (N, D, T, 1, 1)."""
        embedded: Tensor = self.embed(pyramid(last.flatten(2).transpose(1, 2), self.levels).flatten(1))
        return embedded

    def get_classifier(self) -> nn.Module:
        """Return the layer from E numbers to classes."""
        return self.fc

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of clips (N, 3, T, H, W) in [-1, 1]."""
        logits: Tensor = self.fc(self.pool(self.forward_features(x)[-1]))
        return logits


def lr_two_stream(classes: int, options: Mapping[str, Any] | None = None) -> LrTwoStream:
    """Return the network: 1,572,140 parameters with 12 classes and the default options."""
    return LrTwoStream(classes, **(options or {}))
