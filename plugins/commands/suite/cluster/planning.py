"""What suites would cost on GPUs that this machine lacks, from counted MACs and an assumed efficiency."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmark_core.clips.sampling import Sampling
from benchmark_core.plans.plan import Plan
from elrbench_plugins.commands.suite.cluster.accelerators import Accelerator
from elrbench_plugins.commands.suite.cluster.planned_stage import PlannedStage
from elrbench_plugins.commands.suite.cluster.stages import StagePlanner
from elrbench_plugins.commands.suite.cluster.waves import Span, Stages, simulate
from elrbench_plugins.commands.suite.rows import PlannedSuite
from elrbench_plugins.commands.suite.suite_runs import SuiteRun, runs_of

HOUR = 3600.0
NEAR = 1.1  # times the limit


@dataclass(frozen=True, kw_only=True)
class SuiteCost:
    """One suite. hours, apart: GPU-hours with stages shared among its runs, and without sharing.

    runs: all runs; uncounted: reason -> number of runs whose MACs are not known, which cost nothing here.
    stages: different stages. left_out: rows that need data which the suite does not name.
    """

    suite: str
    runs: int
    uncounted: Mapping[str, int]
    stages: int
    hours: float
    apart: float
    left_out: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Makespan:
    """All runs on a number of GPUs. hours: until the last run ends. busy: share of GPU time that trains."""

    gpus: int
    hours: float
    busy: float


@dataclass(frozen=True, kw_only=True)
class Limit:
    """What no number of GPUs shortens. hours: with one GPU per run. gpus: how many come within `NEAR` of that.

    run: the last to end. waited: hours until its stages that other runs train were trained.
    """

    hours: float
    gpus: int
    run: str
    waited: float


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How fast a stage reads high views of a size (H, W), if nothing slows it down: frames per second and GPU."""

    run: str
    stage: str
    frames: float
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Costs:
    """All suites together. hours: with stages shared by all of them.

    reading: the stage that reads the most bytes of high views per second. guessed: see `StagePlanner`.
    """

    device: Accelerator
    efficiency: float
    suites: tuple[SuiteCost, ...]
    runs: int
    stages: int
    hours: float
    apart: float
    limit: Limit
    reading: Reading | None
    makespans: tuple[Makespan, ...]
    guessed: tuple[str, ...]


def plan_costs(planned: Sequence[PlannedSuite], device: Accelerator, efficiency: float, gpus: Sequence[int]) -> Costs:
    """Estimate the cost of all suites. No clip is read: counts of clips are those that the datasets state."""
    runs: dict[str, SuiteRun] = {}
    names: dict[str, str] = {}  # digest -> "suite, row"
    stages: dict[str, tuple[PlannedStage, ...]] = {}
    rates: dict[str, float] = {}  # key of a stage -> MACs per second
    suites = []
    planner = StagePlanner(planned[0].catalog, guess=True)
    for suite in planned:
        planner.catalog = suite.catalog
        own = runs_of(suite.rows)
        for run in own:
            runs[run.plan.digest] = run
            names.setdefault(run.plan.digest, f"{suite.suite.name}, {run}")
            stages[run.plan.digest] = planner.stages(run.plan)
            rate = device.peak[run.plan.precision] * efficiency / 2
            rates |= {stage.key: rate for stage in stages[run.plan.digest]}
        suites.append(_suite_cost(suite, own, stages, rates))
    known = {digest: _known(found) for digest, found in stages.items()}

    def seconds(stage: PlannedStage) -> float:
        return stage.macs / rates[stage.key]

    each = {stage.key: seconds(stage) for found in known.values() for stage in found}
    total = sum(each.values()) / HOUR
    makespans = []
    for count in gpus:
        hours = _hours(simulate(list(runs), known, seconds, count))
        makespans.append(Makespan(gpus=count, hours=hours, busy=total / (hours * count) if hours else 0.0))
    return Costs(
        device=device,
        efficiency=efficiency,
        suites=tuple(suites),
        runs=len(runs),
        stages=len(each),
        hours=total,
        apart=sum(sum(map(seconds, found)) for found in known.values()) / HOUR,
        limit=_limit(list(runs), known, seconds, names),
        reading=_hungriest(runs, known, names, each),
        makespans=tuple(makespans),
        guessed=tuple(planner.guessed),
    )


def _hours(spans: Mapping[str, Span]) -> float:
    return max((span.end for span in spans.values()), default=0.0) / HOUR


def _limit(
    order: Sequence[str], stages: Stages, seconds: Callable[[PlannedStage], float], names: Mapping[str, str]
) -> Limit:
    spans = simulate(order, stages, seconds, max(1, len(order)))
    hours = _hours(spans)
    few, many = 1, max(1, len(order))
    while few < many:  # the fewest GPUs that come near
        middle = (few + many) // 2
        if _hours(simulate(order, stages, seconds, middle)) <= NEAR * hours:
            many = middle
        else:
            few = middle + 1
    last = max(spans, key=lambda digest: spans[digest].end, default="")
    return Limit(
        hours=hours, gpus=many, run=names.get(last, ""), waited=spans[last].begin / HOUR if last in spans else 0.0
    )


def _suite_cost(
    suite: PlannedSuite,
    runs: Sequence[SuiteRun],
    stages: Mapping[str, Sequence[PlannedStage]],
    rates: Mapping[str, float],
) -> SuiteCost:
    found = {run.plan.digest: _known(stages[run.plan.digest]) for run in runs}
    each = {stage.key: stage.macs / rates[stage.key] for known in found.values() for stage in known}
    uncounted: Counter[str] = Counter()
    for run in runs:
        if not stages[run.plan.digest]:
            uncounted[f"the stages of '{run.plan.method}' are not known before training"] += 1
        elif len(found[run.plan.digest]) < len(stages[run.plan.digest]):
            uncounted[f"the number of training clips of '{run.plan.dataset}' is not known without its folder"] += 1
    return SuiteCost(
        suite=suite.suite.name,
        runs=len(runs),
        uncounted=dict(uncounted),
        stages=len(each),
        hours=sum(each.values()) / HOUR,
        apart=sum(each[stage.key] for known in found.values() for stage in known) / HOUR,
        left_out=tuple(row.row.name for row in suite.rows if row.plans and row.left_out),
    )


def _known(stages: Sequence[PlannedStage]) -> tuple[PlannedStage, ...]:
    return tuple(stage for stage in stages if not math.isnan(stage.macs))


def _hungriest(
    runs: Mapping[str, SuiteRun],
    stages: Stages,
    names: Mapping[str, str],
    seconds_of: Mapping[str, float],
) -> Reading | None:
    """Return the stage that reads the most bytes of high views per second; None if no stage reads any."""
    found = [
        Reading(
            run=names[digest],
            stage=stage.name,
            frames=stage.clips * frames_of(runs[digest].plan) / seconds_of[stage.key],
            size=runs[digest].plan.high_size,
        )
        for digest, own in stages.items()
        for stage in own
        if stage.high and seconds_of[stage.key] > 0
    ]
    return max(found, key=lambda one: one.frames * one.size[0] * one.size[1], default=None)


def frames_of(plan: Plan) -> int:
    """Return the number of frames of a view of the plan."""
    sampling = Sampling.parse(plan.sampling)
    return sampling.k * sampling.t
