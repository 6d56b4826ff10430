"""Compare a plan with its budget, and move a plan to another budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import OVERRIDABLE, PlanRequest, expanded, resolve_plan
from benchmark_core.specs import Value


def changed_from_budget(catalog: Catalog, plan: Plan) -> list[str]:
    """Return the fields and options of `plan` that differ from its budget.

    Tables show them after the budget's name, except the enhancer, which has its own column.
    """
    request = PlanRequest(
        method=plan.method,
        dataset=plan.dataset,
        classes=plan.classes,
        protocol=plan.protocol,
        fold=plan.fold,
        degradation=plan.degradation,
        backbone=plan.backbone,
        weights=plan.weights,
        modality=plan.modality,
        budget=plan.budget,
        seed=plan.seed,
    )
    usual, _ = expanded(catalog, request)
    plain, _ = expanded(catalog, replace(request, enhancer=plan.enhancer))
    fields = ["enhancer"] if plan.enhancer != usual.enhancer else []
    fields += [name for name in ("size", "sampling", "precision") if getattr(plan, name) != getattr(plain, name)]
    keys = sorted(plan.settings.keys() | plain.settings.keys())
    return fields + [key for key in keys if plan.settings.get(key) != plain.settings.get(key)]


def at_budget(catalog: Catalog, plan: Plan, budget: str) -> Plan:
    """Return `plan` under another budget, as if resolved from the same flags.

    Fields and options that differ from the plan's own budget are taken to be flags and are kept.
    """
    fixed = {key: getattr(plan, key) for key in ("method", "dataset", "classes", "protocol", "fold", "degradation")}
    fixed |= {"holdout": plan.holdout or None, "test_views": plan.test_views or None}
    usual, _ = expanded(catalog, PlanRequest(**fixed, budget=plan.budget, seed=plan.seed))
    asked = (name for name in OVERRIDABLE if getattr(plan, name) != getattr(usual, name))
    kept: dict[str, Any] = {name: getattr(plan, name) for name in asked}
    if "size" in kept:
        kept["size"] = "x".join(map(str, plan.size))
    numbers = [key for key in changed_from_budget(catalog, plan) if key in plan.settings]
    request = PlanRequest(
        **fixed,
        **kept,
        budget=budget,
        seed=plan.seed,
        settings=tuple(f"{key}={_written(plan.settings[key])}" for key in numbers),
        unlabelled=plan.unlabelled or None,
        teacher=plan.teacher or None,
        high_source=plan.hr_source or None,
    )
    return resolve_plan(catalog, request)


def _written(value: Value) -> str:
    """Write an option's value as `--set` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
