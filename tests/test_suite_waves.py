"""Waves: which run may start, which must wait for which, and how long all of them take on some slots."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench_plugins.commands.suite.cluster.job_reporter import JobReporter
from elrbench_plugins.commands.suite.cluster.planned_stage import PlannedStage
from elrbench_plugins.commands.suite.cluster.stages import StagePlanner
from elrbench_plugins.commands.suite.cluster.waves import Span, Waves, lanes, simulate


def stages(text: str) -> tuple[PlannedStage, ...]:
    """`T4 S2`: stages T of 4 MACs and S of 2."""
    return tuple(PlannedStage(name=word[0], key=word[0], macs=float(word[1:])) for word in text.split())


# Three students share a teacher T; two of them share a student S, too. The last run is of another seed.
RUNS = {
    "oracle": stages("T4"),
    "one": stages("T4 S2 a1"),
    "two": stages("T4 S2 b1"),
    "three": stages("T4 c3"),
    "other": stages("U4"),
}


def trained(*keys: str):
    return lambda stage: stage.key in keys


def test_a_run_starts_only_if_it_would_not_wait_at_a_lock():
    waves = Waves(RUNS, trained())
    assert waves.next(["one", "two", "three", "other"], ["oracle"]) == "other"
    assert waves.next(["one", "two", "three"], ["oracle"]) is None
    assert waves.held_by("one", ["oracle"]) == ("T", "oracle")
    waves = Waves(RUNS, trained("T"))  # the oracle is scored while the students begin
    assert waves.next(["one", "two", "three"], ["oracle"]) == "one"
    assert waves.next(["two", "three"], ["oracle", "one"]) == "three"
    assert waves.held_by("two", ["oracle", "one"]) == ("S", "one") and waves.held_by("three", ["one"]) is None
    assert waves.next(["one"], []) == "one"  # the run before it failed: it trains the stage itself
    assert Waves({}, trained()).next(["unknown"], ["one"]) == "unknown"


def test_dependencies_are_the_first_runs_with_a_stage_that_is_not_trained():
    assert Waves(RUNS, trained()).dependencies(list(RUNS)) == {
        "oracle": (), "one": ("oracle",), "two": ("oracle", "one"), "three": ("oracle",), "other": ()
    }  # fmt: skip
    assert Waves(RUNS, trained("T", "S")).dependencies(list(RUNS)) == dict.fromkeys(RUNS, ())


def test_simulated_runs_begin_when_a_stage_is_trained_and_not_when_its_run_ends():
    """By hand: T until 4; one S until 6, a until 7; three c from 4 on slot 1 until 7; two waits for S, then b."""
    runs = {name: RUNS[name] for name in ("one", "two", "three")}
    spans = simulate(list(runs), runs, lambda stage: stage.macs, 2)
    assert spans["one"] == Span(begin=0, end=7, slot=0)
    assert spans["three"] == Span(begin=4, end=7, slot=1)  # T is there, though run one goes on
    assert spans["two"] == Span(begin=7, end=8, slot=0)
    whole = simulate(list(runs), runs, lambda stage: stage.macs, 2, whole=True)
    assert whole["three"].begin == whole["two"].begin == 7.0
    assert max(span.end for span in whole.values()) == 10
    alone = simulate(list(runs), runs, lambda stage: stage.macs, 1)
    assert max(span.end for span in alone.values()) == 4 + 2 + 1 + 1 + 3  # each stage once
    assert lanes(whole) == {"two": "one"}


def test_more_slots_than_runs_leave_the_longest_chain():
    spans = simulate(list(RUNS), RUNS, lambda stage: stage.macs, 64)
    assert max(span.end for span in spans.values()) == 4 + 3  # T, then c; or T, S, a
    assert simulate([], {}, lambda stage: stage.macs, 2) == {}


@pytest.mark.parametrize(
    ("method", "more"),
    [("supervised", ()), ("cstat:stat", ("method.joint_epochs=1",)), ("kd", ()), ("teacher", ())],
)
def test_planned_stages_are_those_of_the_run(
    method: str, more: tuple[str, ...], toy_catalog: Catalog, tmp_path: Path
) -> None:
    """Keys are known before training, from lists and files alone, also for a seed that was not walked."""
    settings = ("method.batch=12", "method.epochs=1", *more)

    def plan(seed: int) -> Plan:
        request = PlanRequest(
            method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings, seed=seed
        )
        return resolve_plan(toy_catalog, request)

    context = RunContext(data=None, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent())
    planner = StagePlanner(toy_catalog)
    planner.stages(plan(0), context)
    planned = planner.stages(plan(3), context)
    record = run(plan(3), toy_catalog, context).record
    assert [(stage.name, stage.key) for stage in planned] == [(row["name"], row["key"]) for row in record["stages"]]
    assert all(stage.note(context.cache).exists() for stage in planned)
    assert not any(stage.note(context.cache).exists() for stage in planner.stages(plan(4), context))
    assert all(stage.macs > 0 for stage in planned) and not planner.unknown
    apart = planner.stages(plan(3)), planner.stages(plan(4))  # without data: other keys, equal for equal stages
    assert not {stage.key for stage in apart[0]} & {stage.key for stage in (*planned, *apart[1])}
    assert planner.stages(plan(3)) == apart[0]


def test_rows_that_share_a_teacher_share_its_key(toy_catalog: Catalog):
    """The oracle's stage is the teacher of both students; their own stages differ."""

    def planned(method: str) -> dict[str, str]:
        settings = ("method.epochs=1", *(("method.joint_epochs=1",) if method.startswith("cstat") else ()))
        request = PlanRequest(
            method=method, dataset="toy", backbone="toynet", budget="smoke", size="24x32", settings=settings
        )
        return {stage.key: stage.name for stage in planner.stages(resolve_plan(toy_catalog, request))}

    planner = StagePlanner(toy_catalog)
    oracle, kd, sat, stat = map(planned, ("teacher", "kd", "cstat:sat", "cstat:stat"))
    assert set(oracle) < set(kd) and not set(oracle) & set(planned("supervised"))
    assert set(sat) & set(stat) and set(sat) != set(stat)


def test_the_eta_extrapolates_to_later_stages(monkeypatch: pytest.MonkeyPatch):
    """Half of `teacher` takes 10 s; it has 2 MACs and the student 4: 10 s are left of it, and 40 s of the student."""
    now, noted = [100.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    reporter = JobReporter(Silent(), lambda *told: noted.append(told), {"teacher": 2.0, "student": 4.0})
    with reporter.steps("teacher, epoch 1/4", 8, unit="steps") as advance:
        assert noted == [("teacher", 1, 4, None)]
        now[0] += 10
        advance(4, label="teacher, epoch 3/4", loss=0.5)
        assert noted[-1] == ("teacher", 3, 4, pytest.approx(10 + 40))
        advance(1, label="teacher, epoch 3/4")
        assert len(noted) == 2  # within a second
    with reporter.steps("student (2), epoch 1/2", 2) as advance:
        now[0] += 3
        advance(1)
        assert noted[-1] == ("student", 1, 2, pytest.approx(3))
    with reporter.steps("train clips", 4) as advance:
        now[0] += 3
        advance(1)
        assert noted[-1] == ("train clips", 0, 0, None)


def test_stages_of_unknown_cost_count_alike():
    from elrbench_plugins.commands.suite.cluster.waves import known

    assert known(math.nan) == 1.0 and known(7.0) == 7.0
