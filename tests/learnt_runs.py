"""Plans and runs on the toy with the enhancers of `learnt.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import BUILTINS, TOY

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run

LEARNT = Path(__file__).with_name("learnt.py")


@pytest.fixture(scope="module")
def learnt_catalog() -> Catalog:
    plugins = [*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY), str(LEARNT)]
    return load_catalog(plugins, entry_points=False)


def asked(catalog: Catalog, *settings: str, **fields: Any) -> Plan:
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    given = {**usual, "enhancer": "framewise", **fields}
    loops = ("method.joint_epochs=1",) if given["method"].startswith("cstat") else ()
    return resolve_plan(
        catalog, PlanRequest(**given, settings=("method.batch=12", "method.epochs=1", *loops, *settings))
    )


def go(catalog: Catalog, plan: Plan, work: Path) -> RunResult:
    return run(plan, catalog, RunContext(data=None, out=work / plan.digest, cache=work / "cache", reporter=Silent()))
