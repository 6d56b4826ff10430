"""A sliding window of low frames, and the frames that a recognizer takes from it."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.sampling import Sampling
from elrbench_plugins.commands.watch.frames import Picture

Clip = npt.NDArray[np.uint8]  # (K, 3, T, h, w)


class Window:
    """The last `length` low frames of a stream. Memory does not grow.

    sampling: the recognizer's. at_once: frames that its enhancer takes at once.
    """

    def __init__(self, length: int, sampling: Sampling, at_once: int = 1) -> None:
        self.length, self.sampling, self.at_once = length, sampling, at_once
        self._frames: deque[Picture] = deque(maxlen=length)

    def add(self, low: Picture) -> None:
        """Add a frame (3, h, w); the oldest leaves a full window."""
        self._frames.append(low)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def full(self) -> bool:
        """Whether the window holds `length` frames."""
        return len(self._frames) == self.length

    def clip(self) -> Clip:
        """Return what the recognizer takes from the window, as in testing: (K, 3, T, h, w).

        A sampling of windows, such as `windows-16`, takes all windows of the frames held.
        """
        held = list(self._frames)
        numbers, _ = self.sampling.numbers(len(held), None)  # (K, T)
        numbers = self.sampling.widen(numbers, len(held), self.at_once)
        frames = np.stack([held[number] for number in numbers.ravel()])  # (K * T, 3, h, w)
        return np.ascontiguousarray(frames.reshape(*numbers.shape, *frames.shape[1:]).swapaxes(1, 2))


def natural_length(sampling: Sampling) -> int:
    """Return the number of frames that the sampling takes from a clip without repeats: the default window."""
    return sampling.k * sampling.span
