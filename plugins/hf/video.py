"""Tokens of the video transformers: embedding at any size and length, and the grid that they come from.

The models of transformers take one size and one length each. Here their own layers are called, and the position
embeddings are interpolated, linearly in time, rows and columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from torch import Tensor, cat, nn
from torch.nn.functional import interpolate

from elrbench import ElrError

Grid: TypeAlias = tuple[int, int, int]  # tokens in time, rows and columns


class VideoTokens:
    """Tubelets of frames, rows and columns, in this order, with one table of positions (VideoMAE, Tong et al. 2022)."""

    further = 0  # tokens in front of those of the grid

    @staticmethod
    def check(config: Any, shown: str) -> None:
        """Raise ElrError if the configuration is one that is not supported."""

    def embed(self, model: Any, x: Tensor) -> tuple[Tensor, Grid]:
        """Return tokens (N, [1 +] L, D) and their grid, for x (N, 3, T, H, W) of whole tubelets."""
        parts = model.embeddings
        seen = parts.patch_embeddings.projection(x)  # (N, D, T', h', w')
        grid = (seen.shape[2], seen.shape[3], seen.shape[4])
        tokens = seen.flatten(2).transpose(1, 2)
        tokens = tokens + positions(parts.position_embeddings.to(x), published_grid(model.config), grid)
        return tokens, grid

    def blocks(self, model: Any) -> Sequence[nn.Module]:
        """Return the blocks of the transformer."""
        holder = getattr(model, "encoder", model)
        blocks: Sequence[nn.Module] = getattr(holder, "layer", None) or holder.layers
        return blocks

    def norm(self, model: Any, tokens: Tensor) -> Tensor:
        """Return the tokens after the last norm, if the model has one."""
        norm = getattr(model, "layernorm", None)
        normed: Tensor = tokens if norm is None else norm(tokens)
        return normed

    def as_map(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Return (N, D, T', h', w'), without further tokens."""
        return tokens[:, self.further :].transpose(1, 2).unflatten(2, grid)


class ClassTokens(VideoTokens):
    """Tubelets and a class token, which has a position, too (ViViT, Arnab et al., ICCV 2021)."""

    further = 1

    def embed(self, model: Any, x: Tensor) -> tuple[Tensor, Grid]:
        """See `VideoTokens.embed`."""
        parts = model.embeddings
        seen = parts.patch_embeddings.projection(x)
        grid = (seen.shape[2], seen.shape[3], seen.shape[4])
        table = parts.position_embeddings
        tokens = seen.flatten(2).transpose(1, 2) + positions(table[:, 1:], published_grid(model.config), grid)
        first = (parts.cls_token + table[:, :1]).expand(len_of(x), -1, -1)
        return parts.dropout(cat((first, tokens), 1)), grid


class DividedTokens(VideoTokens):
    """Patches of frames; time runs fastest in the order of tokens (TimeSformer, Bertasius et al., ICML 2021)."""

    further = 1

    @staticmethod
    def check(config: Any, shown: str) -> None:
        """Refuse attention in space alone, whose frames are clips of their own."""
        if config.attention_type == "space_only":
            raise ElrError(f"{shown}: TimeSformer with attention_type 'space_only' is not supported; use another model")

    def embed(self, model: Any, x: Tensor) -> tuple[Tensor, Grid]:
        """See `VideoTokens.embed`. Tokens are (N, 1 + h' w' T, D)."""
        parts, config, clips = model.embeddings, model.config, len_of(x)
        config.num_frames, config.image_size = x.shape[2], x.shape[4]  # its blocks read the grid from there
        seen = parts.patch_embeddings.projection(x.transpose(1, 2).flatten(0, 1))  # (N*T, D, h', w')
        grid = (x.shape[2], seen.shape[2], seen.shape[3])
        side = round((parts.position_embeddings.shape[1] - 1) ** 0.5)
        space = positions(parts.position_embeddings[:, 1:], (1, side, side), (1, *grid[1:]))  # (1, h' w', D)
        times = parts.time_embeddings  # (1, T, D)
        times = positions(times, (times.shape[1], 1, 1), (grid[0], 1, 1))
        tokens = parts.pos_drop(seen.flatten(2).transpose(1, 2) + space)  # (N*T, h' w', D)
        tokens = tokens.unflatten(0, (clips, grid[0])).transpose(1, 2)  # (N, h' w', T, D)
        tokens = parts.time_drop(tokens + times).flatten(1, 2)
        first = parts.pos_drop((parts.cls_token + parts.position_embeddings[:, :1]).expand(clips, -1, -1))
        return cat((first, tokens), 1), grid

    def as_map(self, tokens: Tensor, grid: Grid) -> Tensor:
        """Return (N, D, T', h', w'), without the class token."""
        frames, rows, columns = grid
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (rows, columns, frames)).permute(0, 1, 4, 2, 3)


def len_of(x: Tensor) -> int:
    """Return N, in a form that an export keeps free."""
    return x.shape[0]


def published_grid(config: Any) -> Grid:
    """Return the grid of the size and the length for which the weights were published."""
    tubelet = config.tubelet_size
    size, patch = config.image_size, getattr(config, "patch_size", None)
    sides = tubelet if isinstance(tubelet, (list, tuple)) else (tubelet, *_pair(patch))
    rows, columns = _pair(size)
    return config.num_frames // sides[0], rows // sides[1], columns // sides[2]


def _pair(value: Any) -> tuple[int, int]:
    rows, columns = value if isinstance(value, (list, tuple)) else (value, value)
    return rows, columns


def positions(table: Tensor, published: Grid, grid: Grid) -> Tensor:
    """Return position embeddings (1, L, D) for `grid`, interpolated from a table (1, L', D) for `published`."""
    if grid == published:
        return table
    known = table.transpose(1, 2).unflatten(2, published)  # (1, D, T', h', w')
    return interpolate(known, grid, mode="trilinear", align_corners=False).flatten(2).transpose(1, 2)


VIDEO: Mapping[str, type[VideoTokens]] = {
    "videomae": VideoTokens,
    "vivit": ClassTokens,
    "timesformer": DividedTokens,
}
