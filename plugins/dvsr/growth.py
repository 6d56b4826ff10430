"""Growth of a network (TinyVIRAT, section IV.A.2): the target of each step, and the fade-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.nn.functional import interpolate

from elrbench_plugins.dvsr.enhancer import resized


def target_of(high: Tensor, step: int, steps: int, frames: str) -> Tensor:
    """Return the target of `step` of `steps`: `high` with T, H and W halved once per remaining step.

    high: (N, 3, T, H, W) in [0, 1]. For 16x112x112 and 3 steps, targets are 4x28x28, 8x56x56 and 16x112x112.
    frames: "every" keeps every fourth or second frame, starting with the first; "linear" interpolates in time.
    """
    remaining = steps - step
    if remaining == 0:
        return high
    kept = high.shape[2] >> remaining
    if frames == "every":
        high = high[:, :, :: 1 << remaining]
    else:
        high = interpolate(high, (kept, *high.shape[3:]), mode="trilinear", align_corners=False)
    return resized(high, (high.shape[3] >> remaining, high.shape[4] >> remaining))


class FadeIn:
    """The fade-in parameter alpha: 0 at first, `rise` more after each update, at most 1."""

    def __init__(self, rise: float) -> None:
        self.rise = rise
        self.updates = 0

    @property
    def alpha(self) -> float:
        """Share of the step's new blocks in the next update."""
        return min(1.0, self.updates * self.rise)

    def advance(self) -> None:
        """Count an update."""
        self.updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the number of updates."""
        return {"updates": self.updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.updates = int(state["updates"])
