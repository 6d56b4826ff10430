"""Spatial-temporal multi-head self-attention (Purwanto et al., 2019, section 3.3) over the features of a whole clip.

Eq. 2 is printed without softmax, so its product is associative. This code computes B1 (B2' B3), which needs d x d
numbers per head instead of one for each pair of positions. With softmax, PyTorch computes the pairs block by block.
Memory grows linearly with the number of positions in both cases. `reference.py` computes all pairs.
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

KERNEL = (1, 3, 5)  # section 4.2; stride 1


def self_attention(
    one: Tensor, two: Tensor, three: Tensor, real: Tensor, *, kind: str = "printed", dropout: float = 0.0
) -> Tensor:
    """Return eq. 2, S(V) = B1(V) B2(V)' / sqrt(dim V) B3(V) + B3(V), for each clip and head: (B, D, N, d).

    one, two, three: B1(V), B2(V), B3(V), each (B, D, N, d) over N positions. dim V is the width d of a head.
    real: bool (B, N); other positions are left out of the sum over positions.
    kind: "printed"; "mean" divides the first term by the number of real positions; "softmax" normalises the scaled
        products over positions; "none" drops the first term.
    dropout: probability, on the first term.
    """
    three = three * real[:, None, :, None]  # (B, D, N, d)
    if kind == "none":
        return three
    if kind == "softmax":
        # mask (B, 1, 1, N): the same for every query
        found = F.scaled_dot_product_attention(one, two, three, attn_mask=real[:, None, None])
    else:
        context = two.transpose(-1, -2) @ three  # (B, D, d, d)
        found = one @ context / math.sqrt(one.shape[-1])
        if kind == "mean":
            found = found / real.sum(1).reshape(-1, 1, 1, 1)
    return F.dropout(found, dropout, dropout > 0) + three


class SpatialTemporalAttention(nn.Module):
    """The attention network as a recognizer's head.

    The maps of K chunks are joined in time to N_s = K*T steps of h*w positions. Their F channels are split into D heads
    of width d = F/D. Masked chunks do not affect the logits.

    features: F. positions: h*w, used by classifier "per-step". heads: D.
    axes: the 1x3x5 convolution runs over "heads-time-position" or "time-height-width".
    kind: see `self_attention`. projections: B1 to B3 are "shared" by the heads or each head's "own".
    activation: after the convolution, "relu" or "none".
    classifier: "per-step" applies a layer to the h*w*F values of each step and averages the logits over steps; "pooled"
        applies it to the mean of the F features over steps and positions.
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
        nn.init.uniform_(self.projections, -bound, bound)  # as torch.nn.Linear
        self.fc = nn.Linear(features * positions if self.per_step else features, classes)

    def forward(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, C) of stage maps (B, K, F, [T,] h, w) and mask (B, K)."""
        if maps.ndim == 5:  # single frames: T = 1
            maps = maps.unsqueeze(3)
        batch, chunks, features, steps, height, width = maps.shape
        time, area, each = chunks * steps, height * width, features // self.heads  # N_s, h*w, d
        real = (mask > 0).repeat_interleave(steps, 1)  # (B, N_s)
        video = maps.transpose(1, 2).reshape(batch, self.heads, each, time, height, width)
        video = video.where(real[:, None, None, :, None, None], 0)  # V_A, (B, D, d, N_s, h, w)
        local = self.activation(self.convolve(video)).flatten(-2)  # (B, D, d, N_s, h*w)
        tokens = local.flatten(3).transpose(2, 3)  # (B, D, N, d)
        if self.kind == "none":  # no first term: B1(V) and B2(V) are not computed
            one = two = three = tokens @ self.projections[2]
        else:
            one, two, three = (tokens @ weight for weight in self.projections)
        everywhere = real.repeat_interleave(area, 1)  # (B, N)
        dropout = self.dropout if self.training else 0.0
        found = self_attention(one, two, three, everywhere, kind=self.kind, dropout=dropout)  # (B, D, N, d)
        joined = found.transpose(2, 3).reshape(batch, features, time, area)  # V_B, heads concatenated
        # The mean over steps comes before the linear layer, with the same result as after it.
        share = real.to(joined.dtype) / real.sum(1, keepdim=True)  # (B, N_s)
        video = (joined * share[:, None, :, None]).sum(2)  # (B, F, h*w)
        return cast(Tensor, self.fc(video.flatten(1) if self.per_step else video.mean(2)))

    def convolve(self, video: Tensor) -> Tensor:
        """Convolve (B, D, d, N_s, h, w), keeping its shape: the local dependency of section 3.3."""
        if self.axes == "time-height-width":  # each head alone
            local = self.conv(video.flatten(0, 1))  # (B*D, d, N_s, h, w)
        else:
            local = self.conv(video.transpose(1, 2).flatten(-2)).transpose(1, 2)  # convolved as (B, d, D, N_s, h*w)
        return cast(Tensor, local.reshape(video.shape))


def recognizer(parts: Parts) -> Recognizer:
    """Build the deployed model: backbone and attention network, which has its own classifier."""
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
    """Build the deployed model of a row of Table 2. Without attention it averages the logits of the chunks."""
    if parts.options["sa"]:
        return recognizer(parts)
    return parts.assemble(MeanLogits(parts.backbone.get_classifier()))
