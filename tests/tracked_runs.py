"""Fixtures and runs on the toy with a tracker that remembers what it gets, to compare other trackers with."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmark_core.catalog import Catalog, Section
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Reporter, Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run
from elrbench import TrackedRun, TrackerSpec

EXAMPLE = Path(__file__).with_name("example_plugin") / "elrbench_tracker.py"
Points = dict[str, list[tuple[int, float]]]  # figure -> (step, value)


class Memory:
    """A tracker that remembers. `interrupt_at`: a step from which on `log` is interrupted, as by Ctrl-C."""

    made: list[Memory] = []
    interrupt_at: int | None = None

    def __init__(self, project: str = "") -> None:
        self.project = project
        self.figures: list[tuple[int, Mapping[str, float]]] = []
        self.ended: list[Any] = []
        Memory.made.append(self)

    def begin(self, run: TrackedRun) -> None:
        """Remember the run."""
        self.run = run

    def log(self, figures: Sequence[tuple[int, Mapping[str, float]]]) -> None:
        """Remember the figures, or be interrupted before."""
        if Memory.interrupt_at is not None and figures[-1][0] >= Memory.interrupt_at:
            raise KeyboardInterrupt
        self.figures += figures

    def end(self, record: Mapping[str, Any] | None) -> None:
        """Remember the record."""
        self.ended.append(record)

    @classmethod
    def last(cls) -> Memory:
        """The tracker of the last run; those that were only made to check have no run."""
        return [one for one in cls.made if hasattr(one, "run")][-1]


def points(*trackers: Memory) -> Points:
    """All figures by name, as several processes of one run logged them."""
    found: Points = {}
    for tracker in trackers:
        for step, values in tracker.figures:
            for name, value in values.items():
                found.setdefault(name, []).append((step, value))
    return found


def with_trackers(catalog: Catalog, *specs: TrackerSpec, **factories: Any) -> Catalog:
    """The catalog with `memory` and other trackers, each a spec, or a name and its factory."""
    named = {"memory": Memory, **factories}
    own = [*specs, *(TrackerSpec(name=name, summary="", factory=factory) for name, factory in named.items())]
    section = Section("tracker", {**catalog.trackers, **{spec.name: spec for spec in own}})
    return dataclasses.replace(catalog, trackers=section)


@pytest.fixture(autouse=True)
def forget() -> Iterator[None]:
    """Forget the trackers of other tests."""
    Memory.made, Memory.interrupt_at = [], None
    yield
    Memory.made, Memory.interrupt_at = [], None


@pytest.fixture
def catalog(toy_catalog: Catalog) -> Catalog:
    """The toy catalog with `memory`."""
    return with_trackers(toy_catalog)


def planned(catalog: Catalog, *settings: str, **fields: Any) -> Plan:
    """A plan on the toy that takes a second: 24 clips, 2 updates in each of 3 epochs."""
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    settings = ("method.batch=12", "method.epochs=3", *settings)
    return resolve_plan(catalog, PlanRequest(**{**usual, **fields}, settings=settings))


def go(
    plan: Plan, catalog: Catalog, folder: Path, *track: str, reporter: Reporter | None = None, **more: Any
) -> RunResult:
    """Run a plan with trackers; out and cache are in `folder`."""
    context = {"out": folder / "out", "cache": folder / "cache", "device": "cpu", **more}
    return run(plan, catalog, RunContext(**context, reporter=reporter or Silent(), track=track))
