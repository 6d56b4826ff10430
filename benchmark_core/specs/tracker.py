"""Experiment trackers: the spec, what a tracker learns about a run, and what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from benchmark_core.specs.spec import Spec
from benchmark_core.specs.target import Target

StepFigures = tuple[int, Mapping[str, float]]  # step, and figures by name


@dataclass(frozen=True, kw_only=True)
class TrackerSpec(Spec):
    """An experiment tracker that follows runs (`--track NAME[:PROJECT]`).

    It never becomes part of a plan, a stage key or a record.

    factory: `factory(project: str) -> Tracker`; project is an empty string if the user names none. It is called before
        anything trains, also only to check, so it writes nothing. It raises ElrError if there is no login.
    """

    kind: ClassVar[str] = "tracker"
    factory: Target


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """A run as its tracker sees it.

    id: 16 hex digits of the plan and 8 of this run. An interrupted run that continues keeps its id.
    name: METHOD-DATASET-SEED, for people. folder: run folder. plan: `Plan.to_json()`, every name and number.
    resumed: whether an earlier process has begun this run, so that the tracker's own run continues if it can.
    """

    id: str
    name: str
    folder: Path
    plan: Mapping[str, Any]
    resumed: bool = False

    @property
    def flat(self) -> dict[str, str | int | float]:
        """The plan as one level: fields by name and options as KIND.KEY; lists as text, such as `96x128`."""
        plain = {**{key: value for key, value in self.plan.items() if key != "settings"}, **self.plan["settings"]}
        return {key: _joined(value) if isinstance(value, list) else value for key, value in plain.items()}


class Tracker(Protocol):
    """What the factory of a `TrackerSpec` returns: it follows one run, from the first process of several.

    An exception of `begin` ends the run before anything trains. After that, an exception switches the tracker off with
    one warning, and the run goes on. What a tracker prints goes to stderr.
    """

    def begin(self, run: TrackedRun) -> None:
        """Begin a run, or continue it if `run.resumed`, and log its plan."""

    def log(self, figures: Sequence[StepFigures]) -> None:
        """Store figures: pairs of a step and figures by name, in ascending order; several pairs may have one step.

        A step is the number of updates since the run began, those of stages from the cache included. Names are
        `STAGE/FIGURE` of one update; `STAGE/epoch/FIGURE`, the mean over an epoch; and `test/SCORE` at the end. What
        was stored before a kill is not sent again, so a tracker writes it before it returns.
        """

    def end(self, record: Mapping[str, Any] | None) -> None:
        """End the run and log its record; None if the run failed or was interrupted."""


def _joined(values: Sequence[Any]) -> str:
    return ("x" if all(isinstance(value, int) for value in values) else ",").join(map(str, values))
