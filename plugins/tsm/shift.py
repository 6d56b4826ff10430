"""Temporal shift (Lin et al., TSM, ICCV 2019): some channels of a frame move to the next frame, some to the one before.

It costs no parameters and no arithmetic, and lets a 2D network see motion. Views (N, C, T, h, w) are folded to frames
(N*T, C, h, w) for the 2D network.
"""

from __future__ import annotations

import torch
from torch import Tensor


def fold(view: Tensor) -> Tensor:
    """Return frames (N*T, C, h, w), for (N, C, T, h, w)."""
    return view.transpose(1, 2).flatten(0, 1)


def unfold(frames: Tensor, count: int) -> Tensor:
    """Return (N, C, T, h, w) for frames (N*T, C, h, w) and T = `count`."""
    return frames.unflatten(0, (-1, count)).transpose(1, 2)


def shift(frames: Tensor, count: int, divisor: int = 8) -> Tensor:
    """Shift frames (N*T, C, h, w), T = `count`, along time within each clip. The shape is kept.

    The first C / `divisor` channels of a frame become those of the next frame, the second C / `divisor` those of the
    frame before; the others stay. At the clip's ends zeros move in. A single frame has no neighbours and is unchanged.
    """
    if count == 1:
        return frames
    view = frames.unflatten(0, (-1, count))  # (N, T, C, h, w)
    moved = view.shape[2] // divisor
    ahead, behind, stay = view[:, :, :moved], view[:, :, moved : 2 * moved], view[:, :, 2 * moved :]
    zeros = torch.zeros_like(ahead[:, :1])
    from_next = torch.cat((ahead[:, 1:], zeros), 1)
    from_before = torch.cat((zeros, behind[:, :-1]), 1)
    return torch.cat((from_next, from_before, stay), 2).flatten(0, 1)
