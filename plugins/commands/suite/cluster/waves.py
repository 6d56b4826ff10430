"""Which run may start: one that has no stage in common with a running run, unless the stage is trained already.

So no process waits at the lock of a stage while it holds a slot.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from elrbench_plugins.commands.suite.cluster.planned_stage import PlannedStage

Stages = Mapping[str, Sequence[PlannedStage]]  # digest of a run's plan -> its stages in order of training


@dataclass(frozen=True)
class Waves:
    """The stages of the runs, and which of them are trained.

    stages: by digest of the plan. trained: whether a stage is in the cache; it is asked again and again.
    """

    stages: Stages
    trained: Callable[[PlannedStage], bool]

    def next(self, waiting: Sequence[str], running: Collection[str]) -> str | None:
        """Return the first waiting run that would not wait for a running one; None if all would."""
        busy = {stage.key for digest in running for stage in self.stages.get(digest, ())}
        known: dict[str, bool] = {}

        def free(stage: PlannedStage) -> bool:
            if stage.key not in busy:
                return True
            if stage.key not in known:
                known[stage.key] = self.trained(stage)
            return known[stage.key]

        return next((one for one in waiting if all(free(stage) for stage in self.stages.get(one, ()))), None)

    def held_by(self, digest: str, running: Collection[str]) -> tuple[str, str] | None:
        """Return (name of a stage, digest of the running run) that a run waits for; None if it waits for none."""
        for stage in self.stages.get(digest, ()):
            for other in running:
                if any(stage.key == one.key for one in self.stages.get(other, ())) and not self.trained(stage):
                    return stage.name, other
        return None

    def dependencies(self, order: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the runs that each run must wait for, if all are queued at once in this order.

        These are the first runs with a stage of its own that is not trained yet.
        """
        first: dict[str, str] = {}
        found = {}
        for digest in order:
            wanted = [stage for stage in self.stages.get(digest, ()) if not self.trained(stage)]
            found[digest] = tuple(dict.fromkeys(first[stage.key] for stage in wanted if stage.key in first))
            for stage in wanted:
                first.setdefault(stage.key, digest)
        return found


@dataclass(frozen=True, kw_only=True)
class Span:
    """When and where a run is simulated to run. begin, end: in seconds. slot: from 0."""

    begin: float
    end: float
    slot: int


def simulate(
    order: Sequence[str], stages: Stages, seconds: Callable[[PlannedStage], float], slots: int, *, whole: bool = False
) -> dict[str, Span]:
    """Return the span of each run on a number of slots, if the first run that may start always takes a free slot.

    seconds: time to train a stage, if no earlier run has trained it; a trained stage takes no time.
    whole: runs wait for the end of the run that trains a stage, and not only for the stage.
    """
    done: set[str] = set()  # keys of stages trained at the present time
    waves = Waves(stages, lambda stage: stage.key in done)
    waiting, spans = list(order), {}
    running: dict[str, tuple[float, int]] = {}  # run -> begin, slot
    free = list(range(slots))
    events: list[tuple[float, int, str, str]] = []  # time, order, run, key of the stage trained; "" at the run's end
    now, number = 0.0, 0

    def begin(digest: str) -> Iterator[tuple[float, str]]:
        at = now
        for stage in stages.get(digest, ()):
            if stage.key not in done:
                at += seconds(stage)
                yield at, stage.key
        yield at, ""

    while waiting or events:
        while free and (digest := waves.next(waiting, running)) is not None:
            waiting.remove(digest)
            running[digest] = (now, heapq.heappop(free))
            trained = list(begin(digest))
            end = trained[-1][0]
            for at, key in trained:
                number += 1
                heapq.heappush(events, (end if whole else at, number, digest, key))
        now, _, digest, key = heapq.heappop(events)
        if key:
            done.add(key)
        else:
            began, slot = running.pop(digest)
            heapq.heappush(free, slot)
            spans[digest] = Span(begin=began, end=now, slot=slot)
    return spans


def lanes(spans: Mapping[str, Span]) -> dict[str, str]:
    """Return the run before each run on the same slot; runs without a predecessor are left out."""
    last: dict[int, str] = {}
    before = {}
    for digest, span in sorted(spans.items(), key=lambda item: (item[1].begin, item[1].end)):
        if span.slot in last:
            before[digest] = last[span.slot]
        last[span.slot] = digest
    return before


def known(macs: float) -> float:
    """Return MACs, or 1 if they are unknown, so that unknown stages count alike."""
    return 1.0 if math.isnan(macs) else macs
