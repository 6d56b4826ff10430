"""Which plans rahman refuses. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.modality import SMALLEST
from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures, or too small for flow, cuboids or filters."""
    if plan.modality != "rgb":
        raise ElrError(
            f"method '{plan.method}' computes optical flow itself and takes pictures, not {plan.modality}; use "
            "--modality rgb"
        )
    shortest, size = min(plan.size), f"{plan.size[0]}x{plan.size[1]}"
    if shortest < SMALLEST:
        raise ElrError(
            f"optical flow needs sides of {SMALLEST} pixels or more, but method '{plan.method}' computes it at {size}; "
            "raise --size"
        )
    options = components.options(plan, "backbone")
    for key in ("side", "filter_side"):
        if int(options[key]) > shortest:
            raise ElrError(f"backbone.{key}={options[key]} is longer than a side of {size}; lower it or raise --size")
    side, bits = int(options["filter_side"]), int(options["bits"])
    if side % 2 == 0:
        raise ElrError(f"backbone.filter_side={side} is even, so that a filter has no centre; use an odd number")
    if bits >= side * side:
        raise ElrError(
            f"backbone.bits={bits}: filters of {side}x{side} without their mean have {side * side - 1} independent "
            "components at most; raise backbone.filter_side"
        )
