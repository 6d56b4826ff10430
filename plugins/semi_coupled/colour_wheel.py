"""Optical flow as colours: hue is the direction, saturation the length, relative to the fastest pixel of its field.

Baker et al., A Database and Evaluation Methodology for Optical Flow, IJCV 2011, with the 55 hues of their colour wheel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Steps of the wheel from each hue to the next: red, yellow, green, cyan, blue, magenta, and back to red.
STEPS = (15, 6, 4, 11, 13, 6)
CORNERS = ((1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 1, 1), (0, 0, 1), (1, 0, 1))
HUES = sum(STEPS)
TINY = 1e-6  # pixels: a field slower than this is white


def colour_wheel() -> Tensor:
    """Return the hues, (55, 3) in [0, 1]: linear from each corner to the next."""
    hues = []
    for number, steps in enumerate(STEPS):
        here, there = (torch.tensor(CORNERS[at % len(CORNERS)]) for at in (number, number + 1))
        share = torch.arange(steps).unsqueeze(1) / steps
        hues.append(here * (1 - share) + there * share)
    return torch.cat(hues)


def flow_colours(flow: Tensor, wheel: Tensor) -> Tensor:
    """Return grey levels 0 to 255, (N, 3, H, W), of fields (N, 2, H, W): right, down. wheel: `colour_wheel()`.

    No motion is white. The fastest pixel of a field has a pure hue: motion to the right is red.
    """
    right, down = flow[:, 0], flow[:, 1]  # (N, H, W)
    length = torch.hypot(right, down)
    length = length / length.amax((1, 2), keepdim=True).clamp_min(TINY)
    place = (torch.atan2(-down, -right) / math.pi + 1) / 2 * (HUES - 1)
    lower = place.floor()
    share = (place - lower).unsqueeze(1)
    number = lower.long().clamp(0, HUES - 1)
    hue = (1 - share) * wheel[number].movedim(-1, 1) + share * wheel[(number + 1) % HUES].movedim(-1, 1)
    return (255 * (1 - length.unsqueeze(1) * (1 - hue))).floor()
