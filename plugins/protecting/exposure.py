"""Frame rate and exposure: every `hold` frames, the mean of the last `frames` frames is shown.

With N = `frames`, the exposures end at the frames N - 1, N - 1 + hold, N - 1 + 2 hold, … A low frame shows the last
exposure that has ended. The low frames before the first end show the first exposure. A clip of fewer than N frames is
one exposure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.specs import Value
from elrbench_plugins.protecting.noise import noisy

Array = npt.NDArray[np.uint8]


class Exposure:
    """A `ClipDegrader`. It keeps the low views of the last N frames, so that rounding errors do not add up."""

    def __init__(self, low: tuple[int, int], options: Mapping[str, Value], seed: int) -> None:
        self.low, self.seed = low, seed
        self.length, self.hold = int(options["frames"]), int(options["hold"])
        self.sigma_blur, self.sigma_noise = float(options["sigma_blur"]), float(options["sigma_noise"])
        self.recent: deque[npt.NDArray[np.float32]] = deque(maxlen=self.length)  # (3, h, w) each
        self.taken = 0  # frames
        self.shown: Array | None = None  # (3, h, w)

    def add(self, frames: Frames) -> Array:
        """Return the low frames that are known, uint8 (n, 3, h, w)."""
        ready: list[Array] = []
        for picture in reduce(frames, self.low, sigma=self.sigma_blur):
            self.recent.append(picture)
            self.taken += 1
            past = self.taken - self.length  # frames since the first exposure ended
            if past >= 0 and past % self.hold == 0:
                self.shown = self._expose()
            if self.shown is not None:
                ready += [self.shown] * (1 if past > 0 else self.taken)
        return self._stacked(ready)

    def finish(self) -> Array:
        """Return the low frames of a clip that ends before its first exposure; else none."""
        return self._stacked([] if self.shown is not None else [self._expose()] * self.taken)

    def _expose(self) -> Array:
        mean = np.mean(self.recent, axis=0, dtype=np.float32)  # (3, h, w)
        return to_grey_levels(noisy(mean, self.sigma_noise, self.seed, self.taken - 1))

    def _stacked(self, pictures: list[Array]) -> Array:
        return np.stack(pictures) if pictures else np.empty((0, 3, *self.low), np.uint8)


def start(low: tuple[int, int], options: Mapping[str, Value], seed: int) -> Exposure:
    """Return the degradation of one clip."""
    return Exposure(low, options, seed)
