"""Reject plans that attention transfer cannot run, before any data is read. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError
from elrbench_plugins.attention_transfer import rolling

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan

# Values of the option `deploys` that train one network alone, and the flags that this network uses.
ALONE: dict[str, tuple[str, ...]] = {"teacher": ("--teacher",), "student": ()}


def check(plan: Plan, components: Components) -> None:
    """Check the rolling weights and the inputs of a plan.

    ElrError if STAT lists no rolling weights for the number of stage maps that are compared. ElrError if the plan
    trains one network alone and names an input that this network does not use: the record would claim that it was used.
    """
    options = components.options(plan, "method")
    if options["rolling"] == "stat":
        blocks = min(len(components.backbone.stages), len(components.of_teacher.backbone.stages))
        rolling.weights("stat", blocks, epoch=0, epochs=1)
    deployed = str(options["deploys"])
    if deployed not in ALONE:
        return
    for flag, named in (
        ("--teacher", plan.teacher),
        ("--unlabelled", plan.unlabelled),
        ("--high-source", plan.hr_source),
    ):
        if named and flag not in ALONE[deployed]:
            also = " and method.unlabelled" if flag == "--unlabelled" else ""
            raise ElrError(
                f"method '{plan.method}' trains its {deployed} alone and does not use '{named}'; remove {flag}{also}"
            )
