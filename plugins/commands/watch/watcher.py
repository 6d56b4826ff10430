"""The loop of `watch`: frames into the window, windows into the recognizer, probabilities into labels."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from elrbench_plugins.commands.watch.decisions import Decisions
from elrbench_plugins.commands.watch.frames import Frame, FrameSource
from elrbench_plugins.commands.watch.model import Model
from elrbench_plugins.commands.watch.pace import Pace
from elrbench_plugins.commands.watch.shrink import Shrink
from elrbench_plugins.commands.watch.window import Clip, Window


@dataclass(frozen=True, kw_only=True)
class Event:
    """One prediction. frame: number of the window's newest frame, from 1; seconds: its time in the stream.

    labels: classes that reach the threshold. probabilities: (C,), smoothed. delay: seconds from the arrival of the
    newest frame to the prediction.
    """

    frame: int
    seconds: float
    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    delay: float


@dataclass(kw_only=True)
class Watcher:
    """Predict a window every `every` frames, once the window is full or, with a short source, at its end.

    A file is read as fast as it is predicted. A live source is read by a thread of its own, so that no frame waits: if
    a prediction takes longer than `every` frames, the windows in between are missed, and counted.

    limit: frames after which it stops. begin: called when the first frame has arrived.
    """

    source: FrameSource
    model: Model
    window: Window
    shrink: Shrink
    decisions: Decisions
    every: int
    limit: int | None = None
    begin: Callable[[], None] = lambda: None
    pace: Pace = field(default_factory=Pace)

    def events(self) -> Iterator[Event]:
        """Yield predictions until the source ends. Raises ElrError as the source does."""
        yield from self._live() if self.source.live else self._file()

    def _frames(self) -> Iterator[Frame]:
        for number, frame in enumerate(itertools.islice(self.source.frames(), self.limit)):
            if not number:
                self.begin()
            yield frame

    def _file(self) -> Iterator[Event]:
        due, seconds, arrived = 0, 0.0, 0.0
        for frame in self._frames():
            self.window.add(self.shrink(frame.planes))
            self.pace.frame()
            seconds, arrived = frame.seconds, time.monotonic()
            if self.window.full and self.pace.frames >= due:
                due = self.pace.frames + self.every
                yield self._event(self.window.clip(), self.pace.frames, seconds, arrived)
        if not self.pace.predictions and len(self.window):  # shorter than one window
            yield self._event(self.window.clip(), self.pace.frames, seconds, arrived)

    def _live(self) -> Iterator[Event]:
        news = threading.Condition()
        newest = (0.0, 0.0)  # seconds in the stream, time of arrival
        ended: list[BaseException | None] = []

        def read() -> None:
            nonlocal newest
            reason: BaseException | None = None
            try:
                for frame in self._frames():
                    low = self.shrink(frame.planes)
                    with news:
                        self.window.add(low)
                        self.pace.frame()
                        newest = frame.seconds, time.monotonic()
                        news.notify()
            except BaseException as error:
                reason = error
            with news:
                ended.append(reason)
                news.notify()

        threading.Thread(target=read, daemon=True, name="watch-source").start()
        due = 0
        while True:
            with news:
                while not ended and not (self.window.full and self.pace.frames >= due):
                    news.wait(0.2)  # a time limit lets signals through
                if not (self.window.full and self.pace.frames >= due):
                    break
                number, (seconds, arrived), clip = self.pace.frames, newest, self.window.clip()
            if due:
                self.pace.missed += (number - due) // self.every
            due = number + self.every
            yield self._event(clip, number, seconds, arrived)
        if ended[0] is not None:
            raise ended[0]

    def _event(self, clip: Clip, number: int, seconds: float, arrived: float) -> Event:
        labels = self.decisions(self.model.probabilities(clip))
        assert self.decisions.probabilities is not None
        delay = self.pace.prediction(arrived)
        return Event(
            frame=number, seconds=seconds, labels=labels, probabilities=self.decisions.probabilities, delay=delay
        )
