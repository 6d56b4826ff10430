"""The network's inputs from enlarged frames: grey minus its mean over time, and colour-coded flow of eleven frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elrbench_plugins.hof_svm.flow import flow_of
from elrbench_plugins.semi_coupled.colour_wheel import colour_wheel, flow_colours

BEFORE = 5  # L: frames of flow before and after a frame
STACK = 2 * BEFORE + 1
STORED = 3  # channels of `measured`: grey deviation, flow right, flow down
GREY = (0.299, 0.587, 0.114)  # BT.601


def real_frames(grey: Tensor) -> Tensor:
    """Return the number (N,) of frames of grey clips (N, T, H, W) up to the first copy of the last, which fills it up.

    At least 1. A clip that ends with equal frames for another reason loses them, too.
    """
    changes = (grey[:, 1:] != grey[:, :-1]).flatten(2).any(2)  # (N, T-1)
    later = changes.flip(1).cumsum(1).flip(1) > 0  # whether any frame from here on changes
    return later.sum(1) + 1


class Inputs(nn.Module):
    """Compute both streams' inputs. It has no parameters."""

    wheel: Tensor
    grey: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("wheel", colour_wheel(), persistent=False)
        self.register_buffer("grey", torch.tensor(GREY), persistent=False)

    def measured(self, clips: Tensor, *, flow: bool) -> Tensor:
        """Return grey deviation and flow, (N, 3, T, H, W), of clips (N, 3, T, H, W) in [0, 1].

        The deviation is in grey levels, from the mean over the clip's real frames. Flow is from each frame to the next,
        in pixels; the last real frame repeats the flow before it. flow: False leaves it zero.
        """
        levels = (clips.float() * self.grey[:, None, None, None]).sum(1) * 255  # (N, T, H, W)
        count = real_frames(levels)
        real = torch.arange(levels.shape[1], device=levels.device) < count[:, None]  # (N, T)
        mean = (levels * real[..., None, None]).sum(1) / count[:, None, None]  # (N, H, W)
        deviation = levels - mean.unsqueeze(1)
        motion = levels.new_zeros(levels.shape[0], levels.shape[1], 2, *levels.shape[2:])
        if flow:
            between = torch.stack([flow_of(each) for each in levels])  # (N, T-1, 2, H, W), or one entry for one frame
            last = (count - 2).clamp_min(0)[:, None]  # the flow to the last real frame
            frames = torch.minimum(torch.arange(levels.shape[1], device=levels.device), last)  # (N, T)
            motion = between[torch.arange(len(levels), device=levels.device)[:, None], frames]
        return torch.cat([deviation.unsqueeze(1), motion.transpose(1, 2)], 1)

    def stacks(self, measured: Tensor, clips: Tensor, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Return the streams' inputs for n frames: (n, 1, H, W), and (n, 33, H, W) without its mean over channels.

        measured: (N, 3, T, H, W). clips, frames: (n,), the numbers of each frame's clip and of the frame in it. The
        eleven frames of flow begin five before it; beyond the clip's ends the first and last real frame repeat.
        """
        deviation, motion = measured[:, 0], measured[:, 1:].transpose(1, 2)  # (N, T, H, W), (N, T, 2, H, W)
        last = real_frames(deviation)[clips] - 1  # (n,)
        around = frames[:, None] + torch.arange(-BEFORE, BEFORE + 1, device=frames.device)  # (n, 11)
        around = torch.minimum(around.clamp_min(0), last[:, None])
        if motion.shape[:2].numel() < around.numel():  # stacks overlap: each field is coloured once
            every = flow_colours(motion.flatten(0, 1), self.wheel).unflatten(0, motion.shape[:2])  # (N, T, 3, H, W)
            colours = every[clips[:, None], around]  # (n, 11, 3, H, W)
        else:
            colours = flow_colours(motion[clips[:, None], around].flatten(0, 1), self.wheel)  # (n*11, 3, H, W)
        stack = colours.reshape(len(frames), STACK * 3, *colours.shape[-2:])
        return deviation[clips, frames].unsqueeze(1), stack - stack.mean(1, keepdim=True)
