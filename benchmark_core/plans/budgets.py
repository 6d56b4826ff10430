"""A plan held against what its budget stands for, and the same plan under another budget."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PARTNERS, PlanRequest, expanded, resolve_plan
from benchmark_core.specs import Value


def changed_from_budget(catalog: Catalog, plan: Plan) -> list[str]:
    """What of `plan` differs from what its budget expands to: its enhancer, and numbers of its components.

    A row shows the numbers beside the budget's name; the enhancer has a column of its own.
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
    """`plan` under another budget, as by the same flags: what differs from its own budget was asked for, and stays."""
    fixed = {key: getattr(plan, key) for key in ("method", "dataset", "classes", "protocol", "fold", "degradation")}
    fixed["holdout"] = plan.holdout or None
    usual, _ = expanded(catalog, PlanRequest(**fixed, budget=plan.budget, seed=plan.seed))
    asked = (name for name in PARTNERS if getattr(plan, name) != getattr(usual, name))
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
        high_source=plan.source or None,
    )
    return resolve_plan(catalog, request)


def _written(value: Value) -> str:
    """As `--set` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
