"""How fast a stream is read and predicted: frames per second, and delays."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

import numpy as np

KEPT = 1000  # delays over which the median is taken


@dataclass
class Pace:
    """Counts and times since the first frame.

    missed: windows of a live stream that were not predicted because newer frames had arrived.
    """

    frames: int = 0
    predictions: int = 0
    missed: int = 0
    _begun: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)
    _delays: deque[float] = field(default_factory=lambda: deque(maxlen=KEPT), init=False)

    def frame(self) -> None:
        """Count a frame."""
        self.frames += 1
        self._last = time.monotonic()
        self._begun = self._last if self._begun is None else self._begun

    def prediction(self, arrived: float) -> float:
        """Count a prediction. arrived: `time.monotonic()` of its newest frame. Returns the delay in seconds."""
        self.predictions += 1
        self._last = time.monotonic()
        self._delays.append(self._last - arrived)
        return self._delays[-1]

    @property
    def rate(self) -> float:
        """Frames per second, predictions included; 0 before the second frame."""
        passed = 0.0 if self._begun is None else self._last - self._begun
        return (self.frames - 1) / passed if passed > 0 else 0.0

    @property
    def delay(self) -> float:
        """Median delay in seconds from the arrival of a window's newest frame to its probabilities; 0 if none."""
        return float(np.median(self._delays)) if self._delays else 0.0
