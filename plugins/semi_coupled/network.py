"""The two-stream networks of Chen et al. (WACV 2017) for frames of 32x32, with their fusions.

A frame's inputs are one grey picture and 33 channels of colour-coded flow. The network classifies single frames; the
features of a clip are the mean over its real frames, so that its logits are the mean of the frames' logits.
Example::

    network = two_stream(12)
    logits = network(torch.rand(2, 3, 40, 32, 32))  # (2, 12)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.semi_coupled.inputs import STACK, Inputs, real_frames

LAST = 4  # rows and columns that fc1 reads
HIDDEN = 128
ALONE = 256  # outputs of fc1 of a single stream
ALONE_DROPOUT = 0.2


class Stream(nn.Module):
    """Three 5x5 convolutions, each with BN, ReLU and a 3x3 pooling of stride 2: (n, inputs, 32, 32) to (n, last, 4, 4).

    first_norm: whether the first convolution has BN.
    """

    def __init__(self, inputs: int, dropout: float, *, last: int = 128, first_norm: bool = True) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, 32, 5, padding=2)
        self.bn1 = nn.BatchNorm2d(32) if first_norm else nn.Identity()
        self.conv2 = nn.Conv2d(32, 64, 5, padding=2)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64, last, 5, padding=2)
        self.bn3 = nn.BatchNorm2d(last)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map."""
        x = self.dropout(F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1))  # (n, 32, 16, 16)
        x = self.dropout(average(F.relu(self.bn2(self.conv2(x)))))  # (n, 64, 8, 8)
        return average(F.relu(self.bn3(self.conv3(x))))  # (n, last, 4, 4)


def average(x: Tensor) -> Tensor:
    """Average 3x3 pixels with stride 2; padding does not count, as in MatConvNet."""
    return F.avg_pool2d(x, 3, 2, 1, count_include_pad=False)


class TwoStream(nn.Module):
    """Both streams, or one.

    streams: `both`, `spatial` or `temporal`. at: `conv` fuses the last maps, `fc1` the outputs of each stream's fc1.
    fusion: `sum`; `concat`; `conv`, a 1x1 convolution with ReLU from both streams' channels to 128.
    """

    def __init__(self, classes: int, *, streams: str = "both", at: str = "conv", fusion: str = "sum") -> None:
        super().__init__()
        both, late = streams == "both", streams == "both" and at == "fc1"
        self.at, self.fusion, self.both, self.late = at, fusion, both, late
        self.inputs = Inputs()
        self.spatial = Stream(1, 0.5 if both else ALONE_DROPOUT) if streams != "temporal" else None
        self.temporal = None
        if streams != "spatial":
            self.not_exportable = "it computes optical flow with OpenCV; method semi-coupled:spatial can be exported"
            self.temporal = Stream(3 * STACK, 0.2, last=64 if late else 128, first_norm=not late)
        joined = 2 * HIDDEN if fusion == "concat" else HIDDEN
        if late:
            self.spatial_fc1, self.temporal_fc1 = nn.Conv2d(128, HIDDEN, LAST), nn.Conv2d(64, HIDDEN, LAST)
            self.num_features = joined
        else:
            self.fc1 = nn.Conv2d(joined if both else 128, HIDDEN if both else ALONE, LAST)
            self.num_features = HIDDEN if both else ALONE
        if both and fusion == "conv":
            self.fuse = nn.Conv2d(2 * HIDDEN, HIDDEN, 1)
        self.dropout = nn.Dropout(0.5)
        self.fc2 = nn.Linear(self.num_features, classes)
        for part in self.modules():
            if isinstance(part, nn.Conv2d | nn.Linear):  # as MatConvNet's Conv.initParams
                nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
                nn.init.zeros_(part.bias)
        # Maps get the weights' memory format. A CPU step takes 0.7 of the time in bf16, 0.8 in fp32.
        self.to(memory_format=torch.channels_last)

    def maps(self, grey: Tensor, flow: Tensor) -> Tensor:
        """Return the last maps of frames (n, 1, H, W) and (n, 33, H, W): (n, 128, 4, 4).

        (n, 256, 4, 4) with concatenation; both streams' maps, (n, 192, 4, 4), if they are fused at fc1.
        """
        found = [stream(x) for stream, x in ((self.spatial, grey), (self.temporal, flow)) if stream is not None]
        if not self.both:
            return found[0]
        return torch.cat(found, 1) if self.late else self._fused(*found)

    def features(self, maps: Tensor) -> Tensor:
        """Return the input of fc2, (n, F), of frames' maps (n, C, h, w). Another size is averaged to 4x4 first."""
        if maps.shape[2:] != (LAST, LAST):
            maps = F.adaptive_avg_pool2d(maps, LAST)
        if self.late:
            one, other = F.relu(self.spatial_fc1(maps[:, :128])), F.relu(self.temporal_fc1(maps[:, 128:]))
            return self._fused(one, other).flatten(1)
        hidden: Tensor = self.fc1(maps).flatten(1)
        return hidden if self.both else F.relu(hidden)  # fused maps have no ReLU after fc1

    def _fused(self, one: Tensor, other: Tensor) -> Tensor:
        if self.fusion == "sum":
            return one + other
        joined = torch.cat([one, other], 1)
        return joined if self.fusion == "concat" else F.relu(self.fuse(joined))

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return [the maps of all frames, (N, C, T, 4, 4)], of clips (N, 3, T, H, W) in [0, 1].

        Maps of frames that only repeat the last one are zero.
        """
        measured = self.inputs.measured(x, flow=self.temporal is not None)
        number, frames = measured.shape[0], measured.shape[2]
        clip, frame = (
            each.flatten()
            for each in torch.meshgrid(
                torch.arange(number, device=x.device), torch.arange(frames, device=x.device), indexing="ij"
            )
        )
        maps = self.maps(*self.inputs.stacks(measured, clip, frame)).unflatten(0, (number, frames))
        real = torch.arange(frames, device=x.device) < real_frames(measured[:, 0])[:, None]  # (N, T)
        return [maps.mul(real[..., None, None, None]).transpose(1, 2)]

    def pool(self, last: Tensor) -> Tensor:
        """Return the mean features (N, F) of the frames whose map in (N, C, T, h, w) is not zero."""
        frames = last.transpose(1, 2)  # (N, T, C, h, w)
        real = (frames != 0).flatten(2).any(2).unsqueeze(-1)  # (N, T, 1)
        features = self.features(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])  # (N, T, F)
        return (features * real).sum(1) / real.sum(1).clamp_min(1)

    def get_classifier(self) -> nn.Module:
        """Return dropout and fc2, from F features to classes."""
        return nn.Sequential(self.dropout, self.fc2)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) of clips (N, 3, T, H, W) in [0, 1]."""
        logits: Tensor = self.get_classifier()(self.pool(self.forward_features(x)[-1]))
        return logits


def two_stream(classes: int, options: Mapping[str, Any] | None = None) -> TwoStream:
    """Return the network: 804,364 parameters with 12 classes and the default options."""
    return TwoStream(classes, **(options or {}))
