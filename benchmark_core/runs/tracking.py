"""Pass the figures of a run on to its trackers. Nothing here changes what is trained, or the record.

Figures are sent about once a second, at epoch ends and at the end of the run. `tracking.json` in the run folder holds
the run's id and the position of the last figures that were sent: a run that continues after a kill keeps its id and
does not send them again. The file is removed when the run ends with a record.
"""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark_core.atomic import write_whole
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter
from benchmark_core.records.record import all_scores
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.trackers import make_trackers, reason, unusable
from benchmark_core.specs.tracker import StepFigures, TrackedRun, Tracker
from benchmark_core.training.figures import END, Follow
from benchmark_core.training.ranks import Ranks

STATE = "tracking.json"
EVERY = 1.0  # s between two sends

Position = tuple[int, int]  # step, and the order of what is logged at one step: update, epoch, end of the run


class Tracking:
    """The trackers of one run, by name. A tracker that fails is dropped with one warning."""

    def __init__(self, trackers: Mapping[str, Tracker], run: TrackedRun, sent: Position, reporter: Reporter) -> None:
        self._trackers = dict(trackers)
        self._run = run
        self._reporter = reporter
        self._sent = self._last = sent
        self._waiting: list[StepFigures] = []
        self._due = 0.0
        self._begun = False
        self._record: Mapping[str, Any] | None = None

    @property
    def follow(self) -> Follow | None:
        """What a training calls with its figures; None if nothing tracks the run."""
        return self.log if self._trackers else None

    def begin(self) -> None:
        """Begin all trackers. Raises ElrError if one cannot: nothing is trained yet."""
        wanted, self._trackers, self._begun = self._trackers, {}, True
        if wanted:
            self._run.folder.mkdir(parents=True, exist_ok=True)
        for name, tracker in wanted.items():
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    tracker.begin(self._run)
            except ElrError:
                raise
            except (Exception, SystemExit) as error:
                raise unusable(f"tracker '{name}'", error) from error
            self._trackers[name] = tracker
        self._keep()

    def log(self, step: int, order: int, values: Mapping[str, float]) -> None:
        """Take figures of a step. They are sent now if `order` is that of an epoch or later, else within a second."""
        if (step, order) > self._sent:
            self._waiting.append((step, dict(values)))
            self._last = max(self._last, (step, order))
        if self._waiting and (order or time.monotonic() >= self._due):
            self._send()

    def finish(self, record: Mapping[str, Any]) -> None:
        """Log the scores of the record, which the trackers get when they end."""
        self._record = record
        scores = {f"test/{name}": float(score["value"]) for name, score in all_scores(record).items()}
        self.log(max(sum(record["updates"].values()), self._last[0]), END, scores)

    def end(self) -> None:
        """End all trackers: with the record, or with None if the run has none."""
        if not self._begun:
            return
        if self._waiting:
            self._send()
        self._each(lambda tracker: tracker.end(self._record))
        if self._record is not None:
            with contextlib.suppress(OSError):
                self._state.unlink(missing_ok=True)

    def _send(self) -> None:
        figures, self._waiting = self._waiting, []
        self._each(lambda tracker: tracker.log(figures))
        self._sent, self._due = self._last, time.monotonic() + EVERY
        self._keep()

    def _each(self, call: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                with contextlib.redirect_stdout(sys.stderr):
                    call(tracker)
            except (Exception, SystemExit) as error:
                del self._trackers[name]
                self._reporter.warn(f"tracker '{name}' failed and is off for the rest of the run: {reason(error)}")

    @property
    def _state(self) -> Path:
        return self._run.folder / STATE

    def _keep(self) -> None:
        """Write id and position. A run does not end because this file cannot be written; `write_whole` may say so."""
        if self._trackers:
            with contextlib.suppress(ElrError):
                write_whole(self._state, json.dumps({"id": self._run.id, "sent": self._sent}).encode(), durable=False)


@contextmanager
def tracked(plan: Plan, catalog: Catalog, context: RunContext, ranks: Ranks) -> Iterator[Tracking]:
    """Yield the tracking of a run, not begun, and end it with the block. Rank 0 has the trackers.

    Raises ElrError, on all ranks, if one cannot be made.
    """
    made: dict[str, Tracker] = {}
    ranks.lead(lambda: made.update(make_trackers(catalog, context.track)))
    tracking = Tracking(made, *run_of(plan, context), context.reporter)
    try:
        yield tracking
    finally:
        tracking.end()


def run_of(plan: Plan, context: RunContext) -> tuple[TrackedRun, Position]:
    """Return the run as trackers see it, and the position that an earlier process of the same run has reached."""
    ident, sent = "", (-1, 0)
    if not context.refit:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):  # absent, or edited: a new run
            kept = json.loads((context.out / STATE).read_bytes())
            (step, order), found = kept["sent"], str(kept["id"])
            if re.fullmatch(rf"{plan.digest}-[0-9a-f]{{8}}", found):
                ident, sent = found, (int(step), int(order))
    run = TrackedRun(
        id=ident or f"{plan.digest}-{secrets.token_hex(4)}",
        name=file_name(f"{plan.method}-{plan.dataset}-{plan.seed}"),
        folder=context.out,
        plan=plan.to_json(),
        resumed=bool(ident),
    )
    return run, sent
