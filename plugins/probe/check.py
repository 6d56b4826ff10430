"""Which plans a probe refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan
from elrbench_plugins.svm_head.check import check_head


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the backbone has no trained weights, or options of the head do not fit each other."""
    check_head(plan.method, components.options(plan, "method"))
    if plan.weights == "scratch":
        named = ", ".join(components.backbone.weights)
        remedy = f"pass --weights {named}" if named else "pass --weights FILE or another --backbone"
        raise ElrError(
            f"method 'probe' keeps the weights of its backbone, but '{plan.backbone}' has none with --weights scratch; "
            f"{remedy}"
        )
