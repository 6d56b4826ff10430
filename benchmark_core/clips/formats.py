"""What the store keeps of a clip. A format is a set of numbers; the digest of these numbers is its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from benchmark_core.canonical import digest_of
from benchmark_core.clips.decode import DECODER
from benchmark_core.clips.fit import as_recorded, crop_to_aspect, high_view
from benchmark_core.clips.frames import Frames
from benchmark_core.errors import ElrError
from benchmark_core.specs import NOTHING, Target, Value, resolve
from benchmark_core.specs.target import target_name

REVISION = 1  # raise if `fit` or `resample` give other pixels for the same numbers
ENHANCED_REVISION = 1  # raise if `enhanced` stores other pixels for the same numbers


class KeyedFormat(Protocol):
    """A format that the store can keep clips in."""

    @property
    def key(self) -> str:
        """16 hex digits: the digest of `numbers()`. The clips of this format are in the folder of this name."""

    def numbers(self) -> dict[str, Any]:
        """Return everything that the stored bytes depend on, ready for JSON."""


@dataclass(frozen=True, kw_only=True)
class StoredFormat:
    """Frames of a clip as stored: degraded (`low`), resized (`high`) or unchanged (`native`).

    kind: `low` frames are made by `degrade`, `high` frames are resized to `size`, `native` frames keep their own size.
    size: (rows, columns) of the stored frames. aspect: (height, width) ratio of the centred region that is kept.
    over_time: `degrade` starts a `ClipDegrader` instead of degrading each frame by itself. The name of `degrade` in
        `numbers` identifies it.
    """

    kind: Literal["low", "high", "native"]
    size: tuple[int, int] | None = None
    aspect: tuple[int, int] | None = None
    degrade: Target | None = None
    over_time: bool = False
    revision: int = 1
    options: Mapping[str, Value] = field(default_factory=lambda: NOTHING)

    def numbers(self) -> dict[str, Any]:
        """Return everything that the stored pixels depend on, ready for JSON."""
        return {
            "kind": self.kind,
            "size": self.size and list(self.size),
            "aspect": self.aspect and list(self.aspect),
            "degrade": self.degrade and target_name(self.degrade),
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
        """The plugin's degradation function, if the format has one."""
        return None if self.degrade is None else resolve(self.degrade)

    def make(self, frames: Frames, seed: int) -> npt.NDArray[np.uint8]:
        """Convert decoded frames to uint8 RGB (T, 3, rows, columns), each frame by itself.

        seed: derived from the clip's content. See `conversion.start` for formats with `over_time`.
        """
        if self.kind == "native":
            return as_recorded(frames)
        assert self.size is not None and self.aspect is not None
        view = crop_to_aspect(frames, self.aspect)
        if self.kind == "high":
            return high_view(view, self.size)
        assert self.degrade is not None and not self.over_time
        made: npt.NDArray[np.uint8] = resolve(self.degrade)(view, self.size, self.options, seed)
        expected = (len(frames), 3, *self.size)
        if made.dtype != np.uint8 or made.shape != expected:
            raise ElrError(
                f"degradation '{self.numbers()['degrade']}' returned {made.dtype} {made.shape} instead of uint8 "
                f"{expected}; correct the plugin"
            )
        return made


@dataclass(frozen=True, kw_only=True)
class EnhancedFormat:
    """Frames of `source`, enhanced to network size (H, W). See `benchmark_core.clips.enhanced`.

    frames: number of frames that the enhancer takes at once. stage: key of the stage that trained it.
    weights: digest of its parameters and buffers.
    """

    source: StoredFormat
    size: tuple[int, int]
    frames: int
    stage: str
    weights: str

    def numbers(self) -> dict[str, Any]:
        """Return everything that the stored frames depend on, ready for JSON."""
        return {
            "kind": "enhanced",
            "source": self.source.numbers(),
            "size": list(self.size),
            "frames": self.frames,
            "stage": self.stage,
            "weights": self.weights,
            "revision": ENHANCED_REVISION,
        }

    @property
    def key(self) -> str:
        """16 hex digits of the numbers' canonical JSON."""
        return digest_of(self.numbers())
