"""Optical flow as an operator of torch, so that a count of MACs sees that something is not counted."""

from __future__ import annotations

import torch
from torch import Tensor

from benchmark_core.clips.flow import LUMA, calculator


@torch.library.custom_op("elrbench::dis_flow", mutates_args=())
def dis_flow(grey: Tensor) -> Tensor:
    """Return the flow from each frame to the next by OpenCV's DIS (medium preset), in pixels.

    grey: uint8 (T, H, W), T at least 2. Returns (T - 1, 2, H, W): right, down.
    """
    frames = grey.cpu().numpy()
    calculate = calculator("dis")
    fields = [torch.from_numpy(calculate(*pair).copy()) for pair in zip(frames[:-1], frames[1:], strict=True)]
    return torch.stack(fields).to(grey.device)


@dis_flow.register_fake
def _shape(grey: Tensor) -> Tensor:
    frames, height, width = grey.shape
    return grey.new_empty((frames - 1, 2, height, width), dtype=torch.float32)


def luma(clip: Tensor) -> Tensor:
    """Return BT.601 luma in grey levels 0 to 255, (T, H, W), for a clip (3, T, H, W) in [0, 1]."""
    weights = torch.as_tensor(LUMA, device=clip.device).mul(255).reshape(3, 1, 1, 1)
    return (clip.float() * weights).sum(0)


def real_frames(clip: Tensor) -> int:
    """Return the number of frames of a clip (3, T, H, W) up to the first copy of its last frame, which fills it up."""
    if clip.device.type == "meta":
        return clip.shape[1]
    moved = (clip[:, 1:] != clip[:, :-1]).any(3).any(2).any(0).nonzero()
    return int(moved[-1]) + 2 if len(moved) else 1


def flow_of(grey: Tensor) -> Tensor:
    """Return the flow of grey frames (T, H, W), 0 to 255: (T - 1, 2, H, W); no motion, (1, 2, H, W), for one frame."""
    if len(grey) == 1:
        return grey.new_zeros(1, 2, *grey.shape[1:])
    return dis_flow(grey.round().clamp(0, 255).to(torch.uint8))
