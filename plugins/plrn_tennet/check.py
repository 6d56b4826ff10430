"""Which plans tennet and plrn-tennet refuse. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.sampling import Sampling
from elrbench import Components, ElrError, Plan
from elrbench_plugins.plrn_tennet.options import SIDE


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures, have too few frames, or have both weights and TenneT's filters."""
    if plan.modality != "rgb":
        raise ElrError(f"method '{plan.method}' takes grey pictures, not {plan.modality}; use --modality rgb")
    options = components.options(plan, "method")
    if options.get("start", "tennet") != "tennet":
        return
    frames = Sampling.parse(plan.sampling).t
    if frames < SIDE:
        raise ElrError(
            f"method '{plan.method}' learns filters of {SIDE} frames, but sampling {plan.sampling} has {frames} in a "
            f"row; use e.g. --sampling clip-16"
        )
    if "start" in options and plan.weights != "scratch":
        raise ElrError(
            f"method '{plan.method}' starts from the filters of TenneT, which would replace weights '{plan.weights}'; "
            "use method.start=random or remove --weights"
        )
