"""Transformer over space-time tokens for views of a dozen pixels.

ViViT's model 1 (Arnab et al., ICCV 2021): tubelet embedding (section 3.2), then pre-norm blocks in which every token
attends to all tokens of the clip (section 3.3), as in ViT (Dosovitskiy et al., ICLR 2021, eq. 1 to 4). Instead of a
class token, the mean of all tokens is classified.
Example::

    network = native_vit(21)
    logits = network(torch.rand(2, 3, 24, 12, 16))  # (2, 21)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad, scaled_dot_product_attention

from elrbench_plugins.drop_path import DropPath, linear_in_depth

BLOCKS, WIDTH, HEADS, RATIO = 6, 128, 4, 4
TAPPED = (1, 3, 5)  # blocks whose tokens are stage maps
GRID = (12, 6, 8)  # tokens of 24 frames of 12x16 in tubelets of 2x2x2


class Attention(nn.Module):
    """Multi-head self-attention over all L tokens: softmax(Q K^T / sqrt(d)) V."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, D), for (N, L, D)."""
        query, key, value = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # (N, heads, L, d)
        return self.proj(scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Block(nn.Module):
    """x + MSA(LN(x)), then x + MLP(LN(x)) (ViT, eq. 2 and 3)."""

    def __init__(self, width: int, heads: int, drop: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, RATIO * width), nn.GELU(), nn.Linear(RATIO * width, width))
        self.drop_path = DropPath(drop)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, L, D), for (N, L, D)."""
        x = x + self.drop_path(self.attn(self.norm1(x)))
        return x + self.drop_path(self.mlp(self.norm2(x)))


class NativeVit(nn.Module):
    """Tubelets, positions, six blocks. Stage maps have 128 channels and one place for each tubelet."""

    def __init__(
        self, classes: int, tubelet: tuple[int, int, int] = (2, 2, 2), dropout: float = 0.2, drop_path: float = 0.1
    ) -> None:
        super().__init__()
        self.tubelet = tubelet
        self.embed = nn.Conv3d(3, WIDTH, tubelet, stride=tubelet)
        self.time = nn.Parameter(torch.empty(1, WIDTH, GRID[0]))
        self.space = nn.Parameter(torch.empty(1, WIDTH, *GRID[1:]))
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS, drop) for drop in linear_in_depth(drop_path, BLOCKS))
        self.norm = nn.LayerNorm(WIDTH)
        self.avgpool = nn.AdaptiveAvgPool3d(1)
        self.dropout = nn.Dropout(dropout)
        self.num_features = WIDTH
        self.fc = nn.Linear(WIDTH, classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):  # as in ViT's public code
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)
        for table in (self.time, self.space):
            nn.init.trunc_normal_(table, std=0.02)

    def positions(self, grid: tuple[int, int, int]) -> Tensor:
        """Return (1, D, T', h', w'): the sum of one vector for each time and one for each place."""
        time = self.time if grid[0] == GRID[0] else interpolate(self.time, grid[0], mode="linear")
        space = self.space if grid[1:] == GRID[1:] else interpolate(self.space, grid[1:], mode="bilinear")
        return time[..., None, None] + space[:, :, None]

    def forward_features(self, x: Tensor) -> list[Tensor]:
        """Return the tokens after blocks 2, 4 and 6, each (N, D, T', h', w'), for normalised x (N, 3, T, h, w).

        Sides that are no multiple of the tubelet's are padded with zeros, which are grey. The last map is normalised.
        """
        missing = [-side % step for side, step in zip(x.shape[2:], self.tubelet, strict=True)]
        if any(missing):
            x = pad(x, (0, missing[2], 0, missing[1], 0, missing[0]))
        seen = self.embed(x)  # (N, D, T', h', w')
        grid = (seen.shape[2], seen.shape[3], seen.shape[4])
        tokens = (seen + self.positions(grid)).flatten(2).transpose(1, 2)  # (N, L, D)
        maps = []
        for index, block in enumerate(self.blocks):
            tokens = block(tokens)
            if index in TAPPED:
                last = index == len(self.blocks) - 1
                maps.append((self.norm(tokens) if last else tokens).transpose(1, 2).unflatten(2, grid))
        return maps

    def pool(self, last: Tensor) -> Tensor:
        """Return the mean of all tokens, (N, D), for (N, D, T', h', w')."""
        return torch.flatten(self.avgpool(last), 1)

    def get_classifier(self) -> nn.Module:
        """Return dropout and the linear layer, from D features to classes."""
        return nn.Sequential(self.dropout, self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (N, classes) for normalised x (N, 3, T, h, w)."""
        return self.fc(self.dropout(self.pool(self.forward_features(x)[-1])))


def native_vit(classes: int, options: Mapping[str, Any] | None = None) -> NativeVit:
    """Return a newly initialised network. Options: `tubelet` as text, `dropout`, `drop_path`."""
    given = dict(options or {})
    frames, rows, columns = (int(side) for side in str(given.pop("tubelet", "2x2x2")).split("x"))
    return NativeVit(classes, (frames, rows, columns), **given)
