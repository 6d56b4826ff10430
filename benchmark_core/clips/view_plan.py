"""Which stored formats the views of a run need, and what is left to do on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, TypeAlias, cast

from benchmark_core.clips.fit import aspect_of, with_margin
from benchmark_core.clips.flow_format import FlowFormat
from benchmark_core.clips.formats import EnhancedFormat, StoredFormat
from benchmark_core.clips.modality import Algorithm
from benchmark_core.errors import ElrError
from benchmark_core.specs import NOTHING, DegradationSpec, Target, Value, defaults
from benchmark_core.specs.target import target_name

PreparedFormat: TypeAlias = StoredFormat | FlowFormat  # stored before training begins
ViewFormat: TypeAlias = StoredFormat | FlowFormat | EnhancedFormat  # everything that views are read from


@dataclass(frozen=True, kw_only=True)
class ViewPlan:
    """The stored formats of low and high views, and how the device makes batches from them.

    crop: "after": low and high are stored; after the enhancer, one box crops both at network size.
        "before": high is stored with a margin; the box crops it first, and `degrade` makes low from it on the device.
        "none": the clip as recorded is both low and high.
    flow: views are optical flow, stored at network size; see `flow_view_plan`.
    enhanced: low views are stored enhanced; see `benchmark_core.clips.enhanced.enhanced_view_plan`.
    """

    crop: Literal["after", "before", "none"]
    size: tuple[int, int]  # (H, W) of the network; with crop "before", of the high views
    low_size: tuple[int, int] | None = None  # (h, w)
    low: ViewFormat | None = None
    high: ViewFormat | None = None
    degrade: Target | None = None
    options: Mapping[str, Value] = field(default_factory=lambda: NOTHING)
    flow: bool = False
    enhanced: bool = False

    def formats(self, *, low: bool, high: bool) -> tuple[PreparedFormat, ...]:
        """Return the formats that low views, high views or both need before training, without repetition."""
        assert not self.enhanced
        wanted = []
        if low:
            wanted.append(self.high if self.crop == "before" else self.low)
        if high:
            wanted.append(self.high)
        found = {stored_format.key: stored_format for stored_format in wanted if stored_format is not None}
        return cast("tuple[PreparedFormat, ...]", tuple(found.values()))

    def sources(self, *, low: bool, high: bool) -> list[Any]:
        """Return what the content of low views, high views or both depends on: keys, and numbers of `degrade`."""
        keys: list[Any] = [each.key for each in (self.low if low else None, self.high if high else None) if each]
        if low and self.degrade is not None:
            assert self.low_size is not None and self.high is not None
            keys.append([target_name(self.degrade), list(self.low_size), dict(self.options), self.high.key])
        return keys


def view_plan(
    degradation: DegradationSpec,
    options: Mapping[str, Value],
    *,
    size: tuple[int, int],
    high_size: tuple[int, int] | None = None,
) -> ViewPlan:
    """Return the view plan of a degradation, whose `low` size must be set, at network size (H, W).

    high_size: (H, W) of the high views, if the teacher's network has another size than the student's.
    The kept region has the aspect ratio of the low view, so that low and high views show the same.
    """
    numbers = MappingProxyType(defaults(degradation) | dict(options))
    if degradation.crop == "none":
        native = StoredFormat(kind="native")
        return ViewPlan(crop="none", size=size, low=native, high=native)
    if degradation.low is None:
        raise ElrError(f"degradation '{degradation.name}' needs a low size in its name, for example 'average-12x16'")
    low = degradation.low
    aspect = aspect_of(low)
    high_size = high_size or size
    if degradation.crop == "before":
        high = StoredFormat(kind="high", size=with_margin(high_size), aspect=aspect)
        return ViewPlan(
            crop="before", size=high_size, low_size=low, high=high, degrade=degradation.on_device, options=numbers
        )
    return ViewPlan(
        crop="after",
        size=size,
        low_size=low,
        low=StoredFormat(
            kind="low",
            size=low,
            aspect=aspect,
            degrade=degradation.over_time or degradation.on_clip,
            over_time=degradation.over_time is not None,
            revision=degradation.revision,
            options=numbers,
        ),
        high=StoredFormat(kind="high", size=high_size, aspect=aspect),
    )


def flow_view_plan(
    pictures: ViewPlan, algorithm: Algorithm, enlarge: Target, options: Mapping[str, Value] = NOTHING
) -> ViewPlan:
    """Return the view plan of optical flow, given the view plan of the pictures.

    The flow of a low view is computed on its frames enlarged to network size, the flow of a high view on its own
    frames. Both are stored at network size, and one box crops both. enlarge: the enhancer's factory; it is called with
    `options`.
    """
    assert isinstance(pictures.low, StoredFormat) and isinstance(pictures.high, StoredFormat)
    return ViewPlan(
        crop="after",
        size=pictures.size,
        low_size=pictures.size,
        low=FlowFormat(source=pictures.low, algorithm=algorithm, enlarge=enlarge, size=pictures.size, options=options),
        high=None if pictures.crop == "none" else FlowFormat(source=pictures.high, algorithm=algorithm),
        flow=True,
    )
