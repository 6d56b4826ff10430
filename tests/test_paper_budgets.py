"""Every method trains on its own track at its paper's budget, as far as tensors without content can show."""

from __future__ import annotations

import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from elrbench_plugins.commands.suite.estimate import Estimator

SUPER_RESOLVED = {"dataset": "hmdb51", "degradation": "average-60x80:clean"}
TRACKS = {"sosr": SUPER_RESOLVED, "tosr": SUPER_RESOLVED, "tinyvirat": {"dataset": "tinyvirat"}}
METHODS = [
    "cstat", "dai", "elr-distil", "ensemble", "ensemble-distil", "fully-coupled", "hof-svm", "hof-svm:pot", "isr",
    "isr:svm", "kd", "multi-siamese", "plrn-tennet", "probe", "purwanto:sa", "rahman", "reskd", "semi-coupled", "sosr",
    "sosr:mse", "sosr:adversarial", "st-mhsa", "stat", "strong-kd", "supervised", "teacher", "tennet",
    "tinyvirat:prog-dvsr-att", "tosr",
]  # fmt: skip


def test_the_list_has_every_method(catalog: Catalog) -> None:
    assert {name.partition(":")[0] for name in METHODS} == set(catalog.methods)


@pytest.mark.parametrize("method", METHODS)
def test_every_stage_of_the_papers_budget_runs(catalog: Catalog, method: str) -> None:
    track = TRACKS.get(method.partition(":")[0], {"dataset": "hmdb51"})
    plan = resolve_plan(catalog, PlanRequest(method=method, budget="paper", **track))
    estimate = Estimator(catalog).of(plan, components_of(catalog, plan))
    assert estimate.unknown == "" and estimate.stages and estimate.clip_macs > 0
