"""What a degradation says of itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from benchmark_core.specs.spec import Spec
from benchmark_core.specs.target import Target


@dataclass(frozen=True, kw_only=True)
class DegradationSpec(Spec):
    """How low views are made. A name such as `average-HxW` is a template: the low size is read from the name asked for.

    on_clip (crop after): `degrade(frames, low, options, seed) -> uint8 (T, 3, h, w)`, on the fitted frames of one clip
        chunk, at store time; see `benchmark_core.clips.frames.Frames`.
    on_device (crop before): `degrade(high, low, options) -> float (N, 3, h, w)` of `high` float (N, 3, H, W) in [0, 1].
    Neither: the clip is taken as recorded (`native`).
    track: its name in tables, where what is seen also depends on the network's size: `{low}` is the low size, `{size}`
        the network's, a square's side written once: "{low}-centre{size}" is `14x14-centre112`. By default its name.
    """

    kind: ClassVar[str] = "degradation"
    on_clip: Target | None = None
    on_device: Target | None = None
    low: tuple[int, int] | None = None  # (h, w), filled from the name
    track: str = ""
    revision: int = 1  # raised when on_clip's result changes: stored views of another revision are made anew

    @property
    def crop(self) -> Literal["after", "before", "none"]:
        """Whether the augmentation box cuts after degrading, before it, or there is no high view."""
        return "after" if self.on_clip else "before" if self.on_device else "none"

    def track_at(self, size: tuple[int, int]) -> str:
        """Its name in tables at network size (H, W)."""
        if not self.track or self.low is None:
            return self.name
        side = str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
        return self.track.format(low=f"{self.low[0]}x{self.low[1]}", size=side)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """What names the template stands for; None where the name is itself."""
        if "HxW" not in self.name:
            return None
        head, tail = self.name.split("HxW")
        return re.compile(rf"{re.escape(head)}([1-9]\d{{0,3}})x([1-9]\d{{0,3}}){re.escape(tail)}")
