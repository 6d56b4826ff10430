"""How long training will take: which stages an estimate names, and that it leaves nothing behind."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from toy_training import INPUTS

from benchmark_core.catalog import Catalog, Section
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.time_estimate import estimate_times, report_time_estimate
from benchmark_core.training.training import Training
from elrbench import ElrError


def test_an_estimate_names_the_stages_and_leaves_nothing(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    components = components_of(toy_catalog, toy_plan)
    before = torch.get_rng_state()
    seconds = estimate_times(toy_plan, components, clips=24, inputs=INPUTS, device=torch.device("cpu"), cache=tmp_path)
    assert list(seconds) == ["student"] and seconds["student"] > 0
    assert not list(tmp_path.iterdir()) and torch.equal(before, torch.get_rng_state())


def test_an_estimate_needs_only_the_number_of_clips(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    """Before clips are decoded there are no digests of them, so no stage can be looked up in the cache."""
    heard: list[str] = []

    class Heard(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

    asked = {"clips": 24, "device": torch.device("cpu"), "cache": tmp_path}
    assert estimate_times(toy_plan, components_of(toy_catalog, toy_plan), **asked)["student"] > 0
    report_time_estimate(toy_plan, components_of(toy_catalog, toy_plan), toy_catalog, reporter=Heard(), **asked)
    assert "student" in heard[0] and "in the cache" in heard[0] and not list(tmp_path.iterdir())


def test_an_estimate_refuses_a_loop_outside_a_stage(toy_catalog: Catalog, toy_plan: Plan, tmp_path: Path) -> None:
    def loop(training: Training) -> None:
        next(training.epochs(training.views("train"), 1, state=[]))

    components = components_of(toy_catalog, toy_plan)
    components = dataclasses.replace(components, method=dataclasses.replace(components.method, fit=loop))
    with pytest.raises(ElrError, match=r"epochs.*inside training\.stage"):
        estimate_times(toy_plan, components, clips=4, device=torch.device("cpu"), cache=tmp_path)


@pytest.mark.parametrize("stages", [{"student": 0.0}, {}], ids=["cached", "none"])
def test_a_run_that_trains_nothing_says_so(
    toy_catalog: Catalog, toy_plan: Plan, monkeypatch: pytest.MonkeyPatch, stages: dict[str, float]
) -> None:
    heard: list[str] = []

    class Listening(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

    monkeypatch.setattr("benchmark_core.runs.time_estimate.estimate_times", lambda *_, **__: stages)
    report_time_estimate(
        toy_plan, components_of(toy_catalog, toy_plan), toy_catalog, reporter=Listening(), inputs=INPUTS
    )
    assert heard == ["no stage has to be trained"]


@pytest.mark.parametrize(("batch", "hinted"), [(2, True), (1, False)])
def test_a_shorter_budget_that_does_not_go_with_the_rest_stops_no_run(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int, hinted: bool
) -> None:
    """With one interval, a batch of one clip is refused; the longer budget has several intervals."""
    method = toy_catalog.methods["supervised"]
    short = dataclasses.replace(method, budgets={**method.budgets, "small": {"sampling": "1x1", "method.epochs": 1}})
    catalog = dataclasses.replace(toy_catalog, methods=Section("method", {"supervised": short}))
    flags = {"backbone": "toynet", "size": "24x32", "settings": (f"method.batch={batch}",)}
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="toy", **flags))
    heard: list[str] = []

    class Listening(Silent):
        def say(self, line: str) -> None:
            heard.append(line)

    monkeypatch.setattr("benchmark_core.runs.time_estimate.HOUR", 0.0)
    asking = {"clips": 4, "inputs": INPUTS, "device": torch.device("cpu"), "cache": tmp_path}
    report_time_estimate(plan, components_of(catalog, plan), catalog, reporter=Listening(), **asking)
    assert heard[0].startswith("training will take about ")
    assert [line.startswith("--budget small would take") for line in heard[1:]] == [True] * hinted
