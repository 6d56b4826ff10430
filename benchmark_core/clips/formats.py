"""What is kept of a clip: a recipe says how, in numbers that are its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import gcd
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from benchmark_core.canonical import digest_of
from benchmark_core.clips.decode import DECODER
from benchmark_core.clips.fit import as_recorded, fitted, high_view, with_margin
from benchmark_core.clips.frames import Frames
from benchmark_core.errors import ElrError
from benchmark_core.specs import DegradationSpec, Target, Value, defaults, resolve

if TYPE_CHECKING:
    from benchmark_core.clips.enhanced import EnhancedFormat
    from benchmark_core.clips.flow import FlowFormat

REVISION = 1  # raised when `fit` or `resample` give other pixels for the same numbers
_NOTHING: Mapping[str, Value] = MappingProxyType({})


def named(target: Target) -> str:
    """A target's "module:attribute", whichever way it was given."""
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"


class Keyed(Protocol):
    """What the store keeps clips under: numbers, and the key made of them."""

    @property
    def key(self) -> str:
        """16 hex digits."""

    def numbers(self) -> dict[str, Any]:
        """Everything the stored bytes depend on, ready for JSON."""


@dataclass(frozen=True, kw_only=True)
class StoredFormat:
    """`low`: degraded by `degrade`; `high`: brought to `size`; `native`: as recorded, each clip at its own size.

    aspect: (height, width) of the centred region that is kept. size: (rows, columns) of what is stored.
    """

    kind: Literal["low", "high", "native"]
    size: tuple[int, int] | None = None
    aspect: tuple[int, int] | None = None
    degrade: Target | None = None
    revision: int = 1
    options: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)

    def numbers(self) -> dict[str, Any]:
        """Everything the stored pixels depend on, ready for JSON."""
        return {
            "kind": self.kind,
            "size": self.size and list(self.size),
            "aspect": self.aspect and list(self.aspect),
            "degrade": self.degrade and named(self.degrade),
            "options": dict(self.options),
            "revision": [REVISION, self.revision],
            "decoder": DECODER,
        }

    @cached_property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())

    @property
    def code(self) -> Callable[..., Any] | None:
        """What a plugin brought of it."""
        return None if self.degrade is None else resolve(self.degrade)

    def make(self, frames: Frames, seed: int) -> npt.NDArray[np.uint8]:
        """uint8 RGB (T, 3, rows, columns) of some frames; `seed` stands for the clip's content."""
        if self.kind == "native":
            return as_recorded(frames)
        assert self.size is not None and self.aspect is not None
        view = fitted(frames, self.aspect)
        if self.kind == "high":
            return high_view(view, self.size)
        assert self.degrade is not None
        made: npt.NDArray[np.uint8] = resolve(self.degrade)(view, self.size, self.options, seed)
        if made.dtype != np.uint8 or made.shape != (len(frames), 3, *self.size):
            raise ElrError(
                f"'{self.numbers()['degrade']}' returned {made.dtype} {made.shape} where uint8 "
                f"{(len(frames), 3, *self.size)} is due; its degradation plugin has to be corrected"
            )
        return made


Prepared: TypeAlias = "StoredFormat | FlowFormat"  # made before training
Stored: TypeAlias = "StoredFormat | FlowFormat | EnhancedFormat"


@dataclass(frozen=True, kw_only=True)
class ViewPlan:
    """What a degradation and a network size ask of the store, and what is left to do on the device.

    crop "after": low and high are stored; one box cuts both at network size, after the enhancer.
    crop "before": high is stored larger by a margin; the box is cut first, `degrade` (on the device) makes low of it.
    crop "none": the clip as recorded is both.
    flow: views are optical flow, stored at network size; see `benchmark_core.clips.flow.of_flow`.
    enhanced: low views are stored as an enhancer left them; see `benchmark_core.clips.enhanced.of_enhancer`.
    """

    crop: Literal["after", "before", "none"]
    size: tuple[int, int]  # (H, W) of the network
    low_size: tuple[int, int] | None = None
    low: Stored | None = None
    high: Stored | None = None
    degrade: Target | None = None
    options: Mapping[str, Value] = field(default_factory=lambda: _NOTHING)
    flow: bool = False
    enhanced: bool = False

    def formats(self, *, low: bool, high: bool) -> tuple[Prepared, ...]:
        """Those that views of low, of high or of both need before training, without repetition."""
        assert not self.enhanced
        wanted = []
        if low:
            wanted.append(self.high if self.crop == "before" else self.low)
        if high:
            wanted.append(self.high)
        found = {fmt.key: fmt for fmt in wanted if fmt is not None}
        return cast("tuple[Prepared, ...]", tuple(found.values()))


def view_plan(degradation: DegradationSpec, options: Mapping[str, Value], *, size: tuple[int, int]) -> ViewPlan:
    """The recipes of a degradation whose `low` size is filled in, at network size (H, W).

    The region in view has the low view's aspect, so that low and high show the same.
    """
    numbers = MappingProxyType(defaults(degradation) | dict(options))
    if degradation.crop == "none":
        native = StoredFormat(kind="native")
        return ViewPlan(crop="none", size=size, low=native, high=native)
    if degradation.low is None:
        raise ElrError(f"degradation '{degradation.name}' needs a low size; name it as in 'average-12x16'")
    low = degradation.low
    aspect = (low[0] // gcd(*low), low[1] // gcd(*low))
    if degradation.crop == "before":
        high = StoredFormat(kind="high", size=with_margin(size), aspect=aspect)
        return ViewPlan(
            crop="before", size=size, low_size=low, high=high, degrade=degradation.on_device, options=numbers
        )
    return ViewPlan(
        crop="after",
        size=size,
        low_size=low,
        low=StoredFormat(
            kind="low",
            size=low,
            aspect=aspect,
            degrade=degradation.on_clip,
            revision=degradation.revision,
            options=numbers,
        ),
        high=StoredFormat(kind="high", size=size, aspect=aspect),
    )
