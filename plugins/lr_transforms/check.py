"""Which plans cannot make low views from transformed high views in training. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from elrbench import Components, ElrError, Plan


def check_made_views(plan: Plan, components: Components) -> None:
    """Raise ElrError if there are no high views of pictures, or if made low views would not fit the stored ones."""
    degradation, enhancer = components.degradation, components.enhancer
    if any(kind(one.modality) == "flow" for one in plan.streams):
        raise ElrError(
            f"method '{plan.method}' transforms pictures, but --modality {plan.modality} has stored optical flow; use "
            "--modality rgb"
        )
    if degradation.crop == "none":
        raise ElrError(
            f"method '{plan.method}' makes low views from high views, but degradation '{plan.degradation}' has none; "
            "use e.g. --degradation average-12x16"
        )
    if degradation.crop == "after" and degradation.from_high is None:
        raise ElrError(
            f"method '{plan.method}' makes low views in training, but degradation '{plan.degradation}' works on "
            "decoded frames alone; use e.g. --degradation average-12x16"
        )
    if enhancer.fit is not None:
        raise ElrError(
            f"method '{plan.method}' makes low views in training, but the output of the trained enhancer "
            f"'{plan.enhancer}' is stored; use e.g. --enhancer bilinear"
        )
    # The plan of a native student names the method's default backbone as teacher, only for the size of high views.
    unnamed = components.method.defaults.get("backbone") if components.backbone.native else ""
    if plan.teacher_backbone not in ("", plan.backbone, unnamed):
        raise ElrError(
            f"method '{plan.method}' trains no teacher; remove --teacher-backbone {plan.teacher_backbone} "
            "(--teacher-size is the size of high views)"
        )
    frames = Sampling.parse(plan.sampling).t
    if (wide := Sampling.parse(plan.sampling).widened(enhancer.frames)) != frames:
        raise ElrError(
            f"method '{plan.method}' makes low views of the {frames} frames of a high view, but enhancer "
            f"'{plan.enhancer}' takes {enhancer.frames} at once, so that stored low views have {wide}; use e.g. "
            "--enhancer bilinear"
        )
