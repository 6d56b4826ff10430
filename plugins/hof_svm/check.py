"""Which plans `hof-svm` refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan
from elrbench_plugins.hof_svm.grids import read_grids
from elrbench_plugins.svm_head.check import check_head


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures, or options of descriptor and head do not fit each other."""
    if plan.modality != "rgb":
        raise ElrError(
            f"method '{plan.method}' computes optical flow itself and takes pictures, not {plan.modality}; use "
            "--modality rgb"
        )
    options, method = components.options(plan, "backbone"), components.options(plan, "method")
    if plan.backbone == "hof":
        read_grids(str(options["grids"]), plan.size)
    elif method["scaling"] == "hellinger":
        raise ElrError(
            "the scaling 'hellinger' needs the histograms of backbone 'hof', not the pooled time series of 'pot'; use "
            "--set method.scaling=none"
        )
    check_head(plan.method, method)
