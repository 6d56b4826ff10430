"""What a plan reads from the clip store. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.flow_format import opencv
from benchmark_core.clips.modality import algorithm, kind
from benchmark_core.clips.view_plan import ViewPlan, flow_view_plan, view_plan
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import defaults


def view_plan_of(plan: Plan, components: Components) -> ViewPlan:
    """Return the stored formats that the plan's views need. ElrError if they are flow and OpenCV is not installed."""
    options = components.options(plan, "degradation")
    stored = view_plan(components.degradation, options, size=plan.size, high_size=plan.high_size)
    if kind(plan.modality) != "flow":
        return stored
    opencv()
    spec = components.enlarges or components.enhancer
    enlarging = components.options(plan, "enhancer") if components.enlarges is None else defaults(spec)
    return flow_view_plan(stored, algorithm(plan.modality), spec.factory, enlarging)


def frames_at_once(plan: Plan, components: Components) -> int:
    """Return how many frames the plan's enhancer takes at once: 1 for flow, which is computed from enlarged frames."""
    return 1 if kind(plan.modality) == "flow" else components.enhancer.frames
