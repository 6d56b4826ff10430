"""How a network grows (TinyVIRAT, section IV.A.2): what a step is to give, and how it is faded in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

from elrbench_plugins.dvsr.enhancer import resized


def target_of(high: Tensor, step: int, steps: int, frames: str) -> Tensor:
    """What `step` of `steps` is to give: (N, 3, T, H, W) in [0, 1] at half the sides and frames for each step to come.

    Of 16x112x112 in 3 steps: 4x28x28, 8x56x56, 16x112x112.
    frames: "every" fourth or second frame, from the first on; "linear" between the frames beside each of these places.
    """
    to_come = steps - step
    if to_come == 0:
        return high
    kept = high.shape[2] >> to_come
    if frames == "every":
        high = high[:, :, :: 1 << to_come]
    else:
        high = interpolate(high, (kept, *high.shape[3:]), mode="trilinear", align_corners=False)
    return resized(high, (high.shape[3] >> to_come, high.shape[4] >> to_come))


class FadeIn:
    """alpha: 0 at first, `rise` more after each update, 1 at most. Its state is the number of updates."""

    def __init__(self, rise: float) -> None:
        self.rise = rise
        self.updates = 0

    @property
    def alpha(self) -> float:
        """The share of the step's own blocks in the next update."""
        return min(1.0, self.updates * self.rise)

    def advance(self) -> None:
        """After an update."""
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of `state_dict`."""
        self.updates = int(state["updates"])
