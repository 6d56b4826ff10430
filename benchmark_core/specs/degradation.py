"""The spec of a degradation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar, Literal

from benchmark_core.errors import ElrError
from benchmark_core.specs.spec import Spec
from benchmark_core.specs.target import Target


@dataclass(frozen=True, kw_only=True)
class DegradationSpec(Spec):
    """How low views are made. A name such as `average-HxW` is a template for any low size.

    Give `on_clip` or `over_time` (views are cropped after degrading), or `on_device` (views are cropped before
    degrading), or none of them: then the clip is used as recorded (`native`).

    on_clip: `degrade(frames, low, options, seed) -> uint8 (T, 3, h, w)`, called when storing a clip, for each chunk of
        its cropped frames (`benchmark_core.clips.frames.Frames`).
    over_time: instead of `on_clip`, if a low frame depends on other frames of its clip: `start(low, options, seed)`
        returns a `benchmark_core.clips.frames.ClipDegrader`, which takes the chunks of one clip in order.
    on_device: `degrade(high, low, options) -> float (N, 3, h, w)` for `high` float (N, 3, H, W) in [0, 1].
    from_high: next to `on_clip` or `over_time`, the same degradation with the arguments of `on_device`: of stored high
        views, with new noise from torch's random state. Methods that change high views in training make low views by
        it.
    low: (h, w), set from the name.
    track: name in tables if the result also depends on the network size; by default the degradation's name. `{low}` is
        the low size and `{size}` the network size, a square as one side: "{low}-centre{size}" is `14x14-centre112`.
    revision: raise it if the result of `on_clip` or `over_time` changes: views stored with another revision are made
        again.
    """

    kind: ClassVar[str] = "degradation"
    on_clip: Target | None = None
    over_time: Target | None = None
    on_device: Target | None = None
    from_high: Target | None = None
    low: tuple[int, int] | None = None
    track: str = ""
    revision: int = 1

    def __post_init__(self) -> None:
        """Check the fields as `Spec` does. Raises ElrError if low views could be made in two ways."""
        super().__post_init__()
        if self.over_time is not None and (self.on_clip is not None or self.on_device is not None):
            other = "on_clip" if self.on_clip is not None else "on_device"
            raise ElrError(f"{self.kind} '{self.name}' has both over_time and {other}; give one of them")

    @property
    def crop(self) -> Literal["after", "before", "none"]:
        """Whether views are cropped after or before degrading, or there is no high view."""
        return "after" if self.on_clip or self.over_time else "before" if self.on_device else "none"

    def track_at(self, size: tuple[int, int]) -> str:
        """Return its name in tables at network size (H, W)."""
        if not self.track or self.low is None:
            return self.name
        side = str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
        return self.track.format(low=f"{self.low[0]}x{self.low[1]}", size=side)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """Pattern of the names that a template stands for; None if it is not a template."""
        if "HxW" not in self.name:
            return None
        head, tail = self.name.split("HxW")
        return re.compile(rf"{re.escape(head)}([1-9]\d{{0,3}})x([1-9]\d{{0,3}}){re.escape(tail)}")
