"""Pass the figures of a stage on while it is trained, to whoever follows the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from torch import Tensor

from benchmark_core.training.metric_logger import MetricLogger

UPDATE, EPOCH, END = 0, 1, 2  # order of what is logged at one step

Follow = Callable[[int, int, Mapping[str, float]], None]  # step, order, figures by name


class StageFigures:
    """The figures of one stage by update and by epoch, under the names that `Tracker.log` documents.

    follow: takes them; None: nobody does, and nothing is kept. before: updates of the stages before this one.
    """

    def __init__(self, follow: Follow | None, stage: str, before: int) -> None:
        self._follow = follow
        self._stage = stage
        self._before = before
        self._waiting: list[tuple[int, dict[str, Tensor]]] = []

    def update(self, number: int, metrics: MetricLogger, *, send: bool) -> None:
        """Take what was logged in update `number` of the stage, from 1.

        send: pass on what waits. Values stay on their device until then, because reading one waits for a GPU.
        """
        if self._follow is None:
            return
        self._waiting.append((number, metrics.newest()))
        if send:
            self._send()

    def epoch(
        self, number: int, update: int, means: Mapping[str, float], scores: Mapping[str, float] = MappingProxyType({})
    ) -> None:
        """Take the means of an epoch, and its scores on held-out clips if it has any.

        number: of the epoch, from 1 through all loops of the stage.
        """
        if self._follow is None:
            return
        self._send()
        named = {f"{self._stage}/epoch/number": float(number)}
        for kind, values in (("epoch", means), ("holdout", scores)):
            named |= {f"{self._stage}/{kind}/{key}": value for key, value in values.items() if key != "epoch"}
        self._follow(self._before + update, EPOCH, named)

    def cached(
        self, updates: int, history: Sequence[Mapping[str, float]], scores: Sequence[Mapping[str, float]]
    ) -> None:
        """Take the epochs of a stage that comes from the cache, at evenly spaced steps."""
        scored = {row["epoch"]: row for row in scores}
        for number, means in enumerate(history, 1):
            self.epoch(number, round(updates * number / len(history)), means, scored.get(number, {}))

    def _send(self) -> None:
        assert self._follow is not None
        for number, values in self._waiting:
            if values:
                named = {f"{self._stage}/{key}": float(value) for key, value in values.items()}
                self._follow(self._before + number, UPDATE, named)
        self._waiting = []
