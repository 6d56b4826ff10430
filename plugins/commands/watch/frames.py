"""What a source of frames is: an iterator of decoded frames with times, and counts of what could not be read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark_core.clips.fit import as_recorded
from benchmark_core.clips.frames import Frames

USUAL_RATE = 30.0  # frames per second of a sensor, and of a video that states neither times nor a rate
Picture = npt.NDArray[np.uint8]  # (3, h, w), RGB grey levels


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One frame of a stream.

    planes: decoded and not converted, as the clip store gets them; of length 1.
    seconds: since the first frame, by the stream's clock.
    """

    planes: Frames
    seconds: float


class FrameSource(ABC):
    """Frames of a file, a camera or a stream, one at a time.

    name: as given by the user. live: frames arrive in real time and are lost if nobody reads them.
    rate: frames per second as stated by the user or the stream; None if unknown. Known from the first frame on.
    damaged: number of frames so far that could not be decoded and were left out.
    """

    live: bool = False

    def __init__(self, name: str, rate: float | None = None) -> None:
        self.name = name
        self.rate = rate
        self.damaged = 0

    @abstractmethod
    def frames(self) -> Iterator[Frame]:
        """Yield frames until the source ends. Raises ElrError if it cannot be opened, or disappears."""

    def time_of(self, number: int) -> float:
        """Return the seconds from the first frame to frame `number`, counted from 0, by the source's rate."""
        return number / (self.rate or USUAL_RATE)


def planes_of(levels: npt.NDArray[np.uint8]) -> Frames:
    """Return one frame of grey levels (H, W) or (H, W, 1), or of red, green and blue levels (H, W, 3)."""
    if levels.ndim == 2 or levels.shape[2] == 1:
        return Frames(planes=(levels.reshape(1, *levels.shape[:2]),), colour="grey")
    return Frames(planes=tuple(levels[None, ..., channel] for channel in range(3)), colour="rgb")


def picture(planes: Frames) -> Picture:
    """Return one frame at its own size, as a clip is stored that is taken as recorded."""
    return as_recorded(planes)[0]
