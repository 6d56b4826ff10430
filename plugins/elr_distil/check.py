"""Refuse options of elr-distil that cannot work or would have no effect. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from elrbench_plugins.elr_distil.options import FINER, uses_teachers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan
    from benchmark_core.specs import Value

FRAMES_OF_ORDER = 3  # segments
FRAMES_OF_SPEED = 6  # two frames at each of three speeds


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if an idea does not fit the views, the backbone or another option."""
    options = components.options(plan, "method")
    _check_views(plan, components, options)
    _check_teachers(plan, options)
    _check_pretext(plan, components, options)


def _check_views(plan: Plan, components: Components, options: Mapping[str, Value]) -> None:
    degradation, frames = components.degradation, Sampling.parse(plan.sampling).t
    transforms, flow = _number(options, "transforms") > 0, _number(options, "motion_weight") > 0
    stream = uses_teachers(options) and options["teachers"] in ("motion", "both")
    flow_views = any(kind(one.modality) == "flow" for one in plan.streams)
    if transforms and flow_views:
        raise ElrError(
            f"method '{plan.method}' transforms pictures, but --modality {plan.modality} has stored optical flow; use "
            "--modality rgb or rgb+flow-early, or set method.transforms=0"
        )
    if transforms and degradation.crop == "after" and degradation.from_high is None:
        raise ElrError(
            f"method '{plan.method}' makes low views in training, but degradation '{plan.degradation}' works on "
            "decoded frames alone; use e.g. --degradation average-12x16 or set method.transforms=0"
        )
    if transforms and components.enhancer.fit is not None:
        raise ElrError(
            f"method '{plan.method}' makes low views in training, but the output of the trained enhancer "
            f"'{plan.enhancer}' is stored; use e.g. --enhancer bilinear or set method.transforms=0"
        )
    wide = Sampling.parse(plan.sampling).widened(components.enhancer.frames)
    if transforms and wide != frames:
        raise ElrError(
            f"method '{plan.method}' makes low views of the {frames} frames of a high view, but enhancer "
            f"'{plan.enhancer}' takes {components.enhancer.frames} at once, so that stored low views have {wide}; use "
            "e.g. --enhancer bilinear or set method.transforms=0"
        )
    if stream and degradation.low and FINER * min(degradation.low) < components.backbone.smallest:
        raise ElrError(
            f"method '{plan.method}' has a teacher on optical flow at {FINER} times the low size, but backbone "
            f"'{plan.backbone}' needs sides of {components.backbone.smallest} pixels; set method.teachers=appearance"
        )
    for wanted, what, remedy in (
        (flow, "predicts optical flow", "set method.motion_weight=0"),
        (stream, "has a teacher on optical flow", "set method.teachers=appearance"),
    ):
        if not wanted:
            continue
        if flow_views:
            raise ElrError(
                f"method '{plan.method}' {what}, which it computes from pictures, but --modality {plan.modality} has "
                f"none; use --modality rgb or {remedy}"
            )
        if degradation.crop == "none":
            raise ElrError(
                f"method '{plan.method}' {what} of high views, but degradation '{plan.degradation}' has none; {remedy}"
            )
        if frames < 2 or components.backbone.dims != 3:
            raise ElrError(
                f"method '{plan.method}' {what} between frames, but backbone '{plan.backbone}' with sampling "
                f"{plan.sampling} sees single frames; use a 3D backbone with e.g. --sampling 1x16, or {remedy}"
            )


def _check_teachers(plan: Plan, options: Mapping[str, Value]) -> None:
    teachers, used = options["teachers"], uses_teachers(options)
    if plan.teacher and not (used and teachers in ("appearance", "both")):
        raise ElrError(
            f"method '{plan.method}' with these options does not use a trained teacher; remove --teacher, or set "
            "method.alpha=0.5 and method.teachers=appearance"
        )
    if used and plan.teacher and options["teacher_layers"] == "classifier":
        raise ElrError(
            f"method '{plan.method}': method.teacher_layers=classifier trains a teacher, but --teacher names a trained "
            "one; remove one of them"
        )
    named = options["map_teacher"]
    if _number(options, "map_weight") > 0 and named == "motion" and teachers == "appearance":
        raise ElrError(
            f"method '{plan.method}': method.map_teacher={named}, but method.teachers={teachers}; set "
            "method.teachers=both or method.map_teacher=appearance"
        )


def _check_pretext(plan: Plan, components: Components, options: Mapping[str, Value]) -> None:
    pretext, frames = options["pretext"], Sampling.parse(plan.sampling).t
    if pretext == "none":
        if options["pretext_clips"] != "train":
            raise ElrError(
                f"method '{plan.method}' has no pretext task for unlabelled clips; set method.pretext=all or "
                "method.pretext_clips=train"
            )
        return
    if plan.keep:
        raise ElrError(
            f"method '{plan.method}' trains no classifier in its pretext task, so that none of its epochs is best; "
            "remove --keep, or set method.pretext=none"
        )
    if options["pretext_epochs"] >= options["joint_epochs"]:
        raise ElrError(
            f"method '{plan.method}': method.pretext_epochs={options['pretext_epochs']} leaves none of "
            f"method.joint_epochs={options['joint_epochs']} to learn labels; lower pretext_epochs"
        )
    least = {"order": FRAMES_OF_ORDER, "masked": 2}.get(str(pretext), FRAMES_OF_SPEED)
    if components.backbone.dims != 3 or frames < least:
        raise ElrError(
            f"method '{plan.method}': the pretext task '{pretext}' needs a 3D backbone and {least} frames per view, "
            f"but backbone '{plan.backbone}' has sampling {plan.sampling}; use e.g. --sampling 1x16 or "
            "method.pretext=none"
        )


def _number(options: Mapping[str, Value], key: str) -> float:
    return float(options[key])
