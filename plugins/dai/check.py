"""Which plans dai refuses. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.sampling import Sampling
from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures, or the reach is longer than the series."""
    if plan.modality != "rgb":
        raise ElrError(f"method '{plan.method}' compares grey levels, not {plan.modality}; use --modality rgb")
    options, sampling = components.options(plan, "method"), Sampling.parse(plan.sampling)
    frames = sampling.k * sampling.t
    if options["alignment"] != "none" and int(options["reach"]) >= frames:
        raise ElrError(
            f"method '{plan.method}' aligns clips by up to method.reach={options['reach']} frames, but sampling "
            f"{plan.sampling} has {frames}; use method.reach={frames - 1} or less"
        )
