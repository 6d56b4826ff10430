"""Spatial-temporal multi-head self-attention (Purwanto et al., 2019, section 3.3) over the features of a whole clip.

Eq. 2 as printed has no softmax, so that its product is associative: B1 (B2' B3) is what is computed, d x d numbers a
head instead of one for every pair of positions. With softmax the pairs are seen block by block. Either way memory grows
with the number of positions, not with its square.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmark_core.networks.heads import MeanLogits

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Parts, Recognizer

KERNEL = (1, 3, 5)  # section 4.2, "with a stride of 1"


def attend(
    one: Tensor, two: Tensor, three: Tensor, real: Tensor, *, kind: str = "printed", dropout: float = 0.0
) -> Tensor:
    """Eq. 2: B1(V) B2(V)' / sqrt(dim V) B3(V) + B3(V), of each clip and head alone.

    one, two, three: B1(V), B2(V), B3(V), each (B, D, N, d) over N positions; dim V is a head's width d. real: bool
    (B, N); other positions take no part in the sum. dropout: on the first term, before B3(V) is added.
    kind: "printed"; "mean", over as many positions as are summed; "softmax", of the scaled products over positions;
    "none", the second term alone.
    """
    there = real[:, None, :, None]  # (B, 1, N, 1)
    three = three * there
    if kind == "none":
        return three
    if kind == "softmax":
        # (B, 1, 1, N): the same for every query
        found = F.scaled_dot_product_attention(one, two, three, attn_mask=real[:, None, None])
    else:
        context = two.transpose(-1, -2) @ three  # (B, D, d, d)
        found = one @ context / math.sqrt(one.shape[-1])
        if kind == "mean":
            found = found / real.sum(1).reshape(-1, 1, 1, 1)
    return F.dropout(found, dropout, dropout > 0) + three


class SpatialTemporalAttention(nn.Module):
    """A recognizer's head: stage maps (B, K, F, [T,] h, w) of K chunks and mask (B, K) to logits (B, C).

    The chunks' maps are joined in time, N_s = K*T steps of h*w positions, and their F channels parted into D heads.
    What a masked chunk holds has no part in the logits.

    heads: D. axes: of the convolution, 1 x 3 x 5 over "heads-time-position" or over "time-height-width".
    kind: see `attend`. projections: B1 to B3 are "shared" by the heads, or each head's "own".
    activation: behind the convolution, "relu" or "none".
    classifier: "per-step", a layer over all h*w*F values of a step, and the mean of its logits over steps; or "pooled",
        over the F features' mean over steps and positions. positions: h*w, for "per-step".
    """

    pooled = False

    def __init__(
        self,
        features: int,
        classes: int,
        *,
        positions: int = 1,
        heads: int = 8,
        axes: str = "heads-time-position",
        kind: str = "printed",
        projections: str = "shared",
        activation: str = "relu",
        classifier: str = "per-step",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        width = features // heads  # d
        self.heads, self.axes, self.kind, self.dropout = heads, axes, kind, dropout
        self.activation = nn.ReLU() if activation == "relu" else nn.Identity()
        self.per_step = classifier == "per-step"
        self.conv = nn.Conv3d(width, width, KERNEL, padding=tuple(side // 2 for side in KERNEL))
        self.projections = nn.Parameter(torch.empty(3, heads if projections == "own" else 1, width, width))
        bound = 1 / math.sqrt(width)
        nn.init.uniform_(self.projections, -bound, bound)  # as PyTorch's linear layer
        self.fc = nn.Linear(features * positions if self.per_step else features, classes)

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """See the class."""
        if maps.ndim == 5:  # of single frames
            maps = maps.unsqueeze(3)
        number, chunks, features, steps, height, width = maps.shape
        time, area, each = chunks * steps, height * width, features // self.heads
        real = (mask > 0).repeat_interleave(steps, 1)  # (B, N_s)
        video = maps.transpose(1, 2).reshape(number, self.heads, each, time, height, width)
        video = video.where(real[:, None, None, :, None, None], 0)  # V_A
        local = self.activation(self.convolve(video)).flatten(-2)  # (B, D, d, N_s, h*w)
        tokens = local.flatten(3).transpose(2, 3)  # (B, D, N, d)
        if self.kind == "none":  # no first term: B1(V) and B2(V) are not computed
            one = two = three = tokens @ self.projections[2]
        else:
            one, two, three = (tokens @ weight for weight in self.projections)
        everywhere = real.repeat_interleave(area, 1)  # (B, N)
        dropout = self.dropout if self.training else 0.0
        found = attend(one, two, three, everywhere, kind=self.kind, dropout=dropout)  # (B, D, N, d)
        joined = found.transpose(2, 3).reshape(number, features, time, area)  # V_B, heads side by side
        # A linear layer and a mean change places.
        share = real.to(joined.dtype) / real.sum(1, keepdim=True)  # (B, N_s)
        video = (joined * share[:, None, :, None]).sum(2)  # (B, F, h*w)
        return cast(Tensor, self.fc(video.flatten(1) if self.per_step else video.mean(2)))

    def convolve(self, video: Tensor) -> Tensor:
        """(B, D, d, N_s, h, w) to the same shape: the local dependency."""
        if self.axes == "time-height-width":  # each head alone
            seen = self.conv(video.flatten(0, 1))  # (B*D, d, N_s, h, w)
        else:
            seen = self.conv(video.transpose(1, 2).flatten(-2)).transpose(1, 2)  # over (B, d, D, N_s, h*w)
        return cast(Tensor, seen.reshape(video.shape))


def recognizer(parts: Parts) -> Recognizer:
    """The deployed model: the backbone under the attention network, which has a classifier of its own."""
    options = parts.options
    features, *_, height, width = parts.map_shape()
    head = SpatialTemporalAttention(
        features,
        parts.classes,
        positions=height * width,
        heads=int(options["heads"]),
        axes=str(options["axes"]),
        kind=str(options["attention"]),
        projections=str(options["projections"]),
        activation=str(options["activation"]),
        classifier=str(options["classifier"]),
        dropout=float(options["dropout"]),
    )
    return parts.assemble(head)


def system(parts: Parts) -> Recognizer:
    """The deployed model of a row of Table 2: without attention, the mean of the chunks' logits."""
    if parts.options["sa"]:
        return recognizer(parts)
    return parts.assemble(MeanLogits(parts.backbone.get_classifier()))
