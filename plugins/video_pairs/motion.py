"""Motion of high frames in training: flow between two frames, and a frame moved by it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

from elrbench_plugins.elr_distil.flow import flow_of


def flow_between(before: Tensor, after: Tensor) -> Tensor:
    """Return the flow (N, 2, H, W) in pixels, right and down, from frames `before` to `after`, (N, 3, H, W) in [0, 1].

    Iterative Lucas-Kanade on a pyramid, without gradients.
    """
    with torch.no_grad():
        return flow_of(torch.stack([before, after], 2))[:, :, 0]


def warped(frame: Tensor, flow: Tensor) -> Tensor:
    """Return (N, C, H, W), whose pixel p is that of `frame` (N, C, H, W) at p + flow(p), interpolated linearly.

    flow: (N, 2, H, W) in pixels, right and down: from the moment of the result to the moment of `frame`. Positions
    outside the frame read its edge.
    """
    height, width = frame.shape[-2:]
    rows = torch.arange(height, device=flow.device, dtype=flow.dtype).reshape(-1, 1)
    columns = torch.arange(width, device=flow.device, dtype=flow.dtype)
    x, y = (2 * (columns + flow[:, 0]) + 1) / width - 1, (2 * (rows + flow[:, 1]) + 1) / height - 1
    return grid_sample(frame, torch.stack([x, y], -1), padding_mode="border", align_corners=False)
