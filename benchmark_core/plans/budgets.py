"""Compare a plan with its budget, and move a plan to another budget."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.plans.native import native_defaults
from benchmark_core.plans.plan import TEACHER_BACKBONE, Plan
from benchmark_core.plans.resolve import OVERRIDABLE, PlanRequest, components_of, expanded, resolve_plan
from benchmark_core.plans.resolve_teacher import TEACHER
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
    components = components_of(catalog, plan)
    if components.backbone.native and "size" not in native_defaults(components.dataset, components.degradation):
        request = replace(request, size="x".join(map(str, plan.size)))  # no budget has one
    usual, _ = expanded(catalog, request)
    plain, _ = expanded(catalog, replace(request, enhancer=plan.enhancer))
    fields = ["enhancer"] if plan.enhancer != usual.enhancer else []
    fields += [name for name in ("size", "sampling", "precision") if getattr(plan, name) != getattr(plain, name)]
    keys = sorted(plan.settings.keys() | plain.settings.keys())
    keys = [key for key in keys if not key.startswith(f"{TEACHER_BACKBONE}.")]  # follow from the teacher's name
    return fields + [key for key in keys if plan.settings.get(key) != plain.settings.get(key)]


def at_budget(catalog: Catalog, plan: Plan, budget: str) -> Plan:
    """Return `plan` under another budget, as if resolved from the same flags.

    Fields and options that differ from the plan's own budget are taken to be flags and are kept.
    """
    fixed = {key: getattr(plan, key) for key in ("method", "dataset", "classes", "protocol", "fold", "degradation")}
    fixed |= {key: getattr(plan, key) or None for key in ("holdout", "test_views", "processes", "batch_norm", "keep")}
    request = PlanRequest(**fixed, budget=plan.budget, seed=plan.seed)
    kept = _other_than(expanded(catalog, request)[0], plan, [name for name in OVERRIDABLE if name not in TEACHER])
    usual, _ = expanded(catalog, replace(request, **kept))  # the usual teacher depends on the student
    if any(getattr(plan, name) != getattr(usual, name) for name in TEACHER):
        kept |= {name: _flag(getattr(plan, name)) for name in TEACHER if getattr(plan, name)}
    numbers = [key for key in changed_from_budget(catalog, plan) if key in plan.settings]
    request = replace(
        request,
        **kept,
        budget=budget,
        settings=tuple(f"{key}={_written(plan.settings[key])}" for key in numbers),
        unlabelled=plan.unlabelled or None,
        teacher=plan.teacher or None,
        high_source=plan.hr_source or None,
    )
    return resolve_plan(catalog, request)


def _other_than(usual: Plan, plan: Plan, fields: Sequence[str]) -> dict[str, Any]:
    """Return the `fields` in which `plan` differs from `usual`, as flags."""
    return {name: _flag(getattr(plan, name)) for name in fields if getattr(plan, name) != getattr(usual, name)}


def _flag(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _written(value: Value) -> str:
    """Write an option's value as `--set` reads it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
