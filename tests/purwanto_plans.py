"""Plans of Purwanto's system: the rows of Table 2, a size for the toy, and runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import RunResult, run

ROWS = {  # Table 2: super-resolution, distillation, attention
    "two-stream": (False, False, False),
    "sr": (True, False, False),
    "kd": (False, True, False),
    "sa": (False, False, True),
    "kd+sa": (False, True, True),
    "sr+kd": (True, True, False),
    "sr+kd+sa": (True, True, True),
}
TOY = {"dataset": "toy", "backbone": "toynet", "size": "24x32", "sampling": "2x1", "budget": "smoke"}


def plan_of(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    return resolve_plan(catalog, PlanRequest(method=method, settings=settings, **{"dataset": "hmdb51", **changes}))


def go(catalog: Catalog, plan: Plan, work: Path, **more: Any) -> RunResult:
    out = work / "runs" / plan.digest
    return run(plan, catalog, RunContext(data=None, out=out, cache=work / "cache", reporter=Silent(), **more))
