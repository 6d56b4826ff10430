"""What of a plan an attention transfer refuses before data is touched. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError
from elrbench_plugins.attention_transfer import rolling

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan

ALONE = {"teacher": ("T-Net", ("--teacher",)), "student": ("S-Net", ())}  # what `deploys` may be, and what that reads


def check(plan: Plan, components: Components) -> None:
    """ElrError where STAT's list is asked for and the backbone has another number of stage maps, or where the plan
    names what the one network that it trains does not read: its record would say that it did.
    """
    options = components.options(plan, "method")
    if options["rolling"] == "stat":
        rolling.weights("stat", len(components.backbone.stages), epoch=0, epochs=1)
    if options["deploys"] not in ALONE:
        return
    network, reads = ALONE[str(options["deploys"])]
    for flag, named in (
        ("--teacher", plan.teacher),
        ("--unlabelled", plan.unlabelled),
        ("--high-source", plan.hr_source),
    ):
        if named and flag not in reads:
            also = " and method.unlabelled with it" if flag == "--unlabelled" else ""
            raise ElrError(
                f"method '{plan.method}' is its {network} alone, which has no use for '{named}'; leave out {flag}{also}"
            )
