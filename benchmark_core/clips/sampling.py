"""Choose the frames of a view: K intervals of T frames, windows of T consecutive frames, or T frames of the clip."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.errors import ElrError

Numbers = npt.NDArray[np.int64]  # (K, T)
Mask = npt.NDArray[np.float32]  # (K,)

_INTERVALS = re.compile(r"([1-9]\d{0,3})x([1-9]\d{0,3})(?:s([1-9]\d{0,3}))?")
_WINDOWS = re.compile(r"windows-([1-9]\d{0,3})")
_CLIP = re.compile(r"clip-([1-9]\d{0,3})")

WHOLE = ClipViews()
SHORTEST = 0.75  # smallest fraction of the clip that `clip-T` spans in training


def middle(wide: int, frames: int) -> int:
    """Return the index of the first of the middle `frames` of `wide` frames."""
    return (wide - frames) // 2


@dataclass(frozen=True)
class Sampling:
    """`4x1`: 4 intervals of 1 frame. `4x5s2`: 4 of 5, every second frame. `windows-16`: windows of 16 frames.

    `clip-24`: one interval of 24 frames that are spread over the clip.

    intervals: the clip is split into K equal intervals. T frames are taken from each, at a random position in training
        and from the middle in testing.
    windows: training draws one random window; testing takes all consecutive windows, so that K depends on the clip.
    clip: the frames at the centres of T equal parts of the clip in testing. In training, of a part of the clip that
        begins at a random time and whose length is uniform in [`SHORTEST`, 1] of the clip: a random crop and speed. A
        clip of fewer than T frames repeats frames.
    """

    kind: Literal["intervals", "windows", "clip"]
    k: int
    t: int
    stride: int = 1

    @classmethod
    def parse(cls, text: str) -> Sampling:
        """Parse a text such as `4x1`. Raises ElrError naming the text if it is not a sampling."""
        if found := _INTERVALS.fullmatch(text):
            k, t, stride = (int(part) if part else 1 for part in found.groups())
            return cls("intervals", k, t, stride)
        if found := _WINDOWS.fullmatch(text):
            return cls("windows", 1, int(found[1]))
        if found := _CLIP.fullmatch(text):
            return cls("clip", 1, int(found[1]))
        raise ElrError(
            f"sampling '{text}' is not valid; use KxT (4x1), KxTsSTRIDE (4x5s2), windows-T (windows-16) or "
            "clip-T (clip-24)"
        )

    def __str__(self) -> str:
        if self.kind != "intervals":
            return f"{self.kind}-{self.t}"
        return f"{self.k}x{self.t}" + (f"s{self.stride}" if self.stride > 1 else "")

    @property
    def span(self) -> int:
        """Number of frames from an interval's first frame to its last, including both; of `clip-T`, at least T."""
        return (self.t - 1) * self.stride + 1

    def widened(self, frames: int) -> int:
        """Return T rounded up to a multiple of `frames`: the input length for an enhancer of that many frames."""
        return -(-self.t // frames) * frames

    def widen(self, numbers: Numbers, count: int, frames: int) -> Numbers:
        """Extend frame numbers (K, T) on both sides to (K, `widened(frames)`), with T in the middle.

        If the number of added frames is odd, one more is added after than before. At the clip's ends its first and last
        frames repeat. Frames added to `clip-T` continue at its mean distance between frames, rounded; to `clip-1` by
        single frames.
        """
        wide = self.widened(frames)
        if wide == self.t:
            return numbers
        if self.kind == "clip":
            before = middle(wide, self.t)
            step = (numbers[:, -1:] - numbers[:, :1]) / (self.t - 1) if self.t > 1 else np.ones((1, 1))  # (K, 1)
            head = numbers[:, :1] - np.rint(step * np.arange(before, 0, -1)).astype(np.int64)
            tail = numbers[:, -1:] + np.rint(step * np.arange(1, wide - self.t - before + 1)).astype(np.int64)
            spread: Numbers = np.clip(np.concatenate([head, numbers, tail], 1), 0, count - 1)
            return spread
        first = numbers[:, :1] - middle(wide, self.t) * self.stride
        wider: Numbers = np.clip(first + np.arange(wide) * self.stride, 0, count - 1)
        return wider

    def pads(self, count: int) -> bool:
        """Whether a clip of `count` frames is too short for T frames, or for a distinct frame in each interval.

        Such a clip repeats its last frame; with `clip-T`, several frames.
        """
        return count < max(self.span, self.k)

    def numbers(self, count: int, rng: np.random.Generator | None, views: ClipViews = WHOLE) -> tuple[Numbers, Mask]:
        """Return frame numbers (K, T) and the mask (K,) of ones. Past the clip's end the last frame repeats.

        count: number of frames of the clip, at least 1. rng: random generator in training; None in testing.
        views: in testing, repeat the K rows for each view: crops in time (of `clip-T`), then the mirrored crops.
        """
        if count < 1:
            raise ValueError(f"a clip has at least one frame, not {count}")
        if rng is None and views.count > 1:
            return self._views(count, views)
        if self.kind == "clip":
            return self._spread(count, rng)[None], np.ones(1, np.float32)
        starts = self._window_starts(count, rng) if self.kind == "windows" else self._interval_starts(count, rng)
        numbers = starts[:, None] + np.arange(self.t) * self.stride
        return np.minimum(numbers, count - 1), np.ones(len(numbers), np.float32)

    def _views(self, count: int, views: ClipViews) -> tuple[Numbers, Mask]:
        if views.crops > 1:
            assert self.kind == "clip"
            crops = [self._part(count, *views.crop(number)) for number in range(views.crops)]
            numbers = np.stack(crops)
        else:
            numbers, _ = self.numbers(count, None)
        numbers = np.concatenate([numbers] * (1 + views.mirror))
        return numbers, np.ones(len(numbers), np.float32)

    def _part(self, count: int, start: float, length: float) -> Numbers:
        """Return T frame numbers (T,): centres of T equal parts of a part of the clip, given in fractions of it."""
        centres = start + length * (np.arange(self.t) + 0.5) / self.t
        return np.minimum(np.floor(centres * count).astype(np.int64), count - 1)

    def _spread(self, count: int, rng: np.random.Generator | None) -> Numbers:
        """Return T frame numbers (T,): centres of T equal parts of the clip, or in training of a part of it."""
        parts = 2 * np.arange(self.t, dtype=np.int64) + 1  # centres are (2 i + 1) / (2 T)
        if rng is None:
            return parts * count // (2 * self.t)
        length = (SHORTEST + (1 - SHORTEST) * rng.random()) * count  # frames
        start = rng.random() * (count - length)
        return np.minimum(np.floor(start + parts * length / (2 * self.t)).astype(np.int64), count - 1)

    def _window_starts(self, count: int, rng: np.random.Generator | None) -> Numbers:
        if rng is None:
            return np.arange(0, count, self.t, dtype=np.int64)
        return np.floor(rng.random(self.k) * (max(count - self.span, 0) + 1)).astype(np.int64)

    def _interval_starts(self, count: int, rng: np.random.Generator | None) -> Numbers:
        edges = np.arange(self.k + 1, dtype=np.int64) * count // self.k
        room = np.diff(edges) - self.span  # negative if the frames extend beyond the interval
        middle = edges[:-1] + np.floor_divide(room, 2)
        if rng is not None:
            drawn = edges[:-1] + np.floor(rng.random(self.k) * (np.maximum(room, 0) + 1)).astype(np.int64)
            middle = np.where(room >= 0, drawn, middle)
        starts: Numbers = np.clip(middle, 0, max(count - self.span, 0))
        return starts
