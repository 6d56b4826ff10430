"""Which plans fully-coupled refuses. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.modality import SMALLEST
from benchmark_core.clips.sampling import Sampling
from benchmark_core.plans.trained_part import ALL
from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures of several frames, are too small for flow, or are stored enhanced."""
    options, name = components.options(plan, "method"), plan.method
    flow = options["streams"] != "spatial"
    if options["coupled"] and options["high_weight"] == 0:
        raise ElrError(
            f"method '{name}' trains on high views, too, but method.high_weight=0 leaves them out; use a positive "
            "weight, or fully-coupled:uncoupled to train on low views alone"
        )
    if plan.modality != "rgb":
        raise ElrError(
            f"method '{name}' computes optical flow itself and takes pictures, not {plan.modality}; use --modality rgb"
        )
    if components.backbone.dims != 3:
        raise ElrError(
            f"method '{name}' reads units of several frames, but backbone '{plan.backbone}' takes single frames; use "
            "e.g. --backbone c3d"
        )
    if components.backbone.modality != "rgb":
        raise ElrError(f"method '{name}' needs a backbone of pictures, not '{plan.backbone}'; use e.g. --backbone c3d")
    if flow and Sampling.parse(plan.sampling).t < 2:
        raise ElrError(
            f"method '{name}' computes flow between the frames of a unit, but sampling {plan.sampling} has one; use "
            "e.g. --sampling 4x16"
        )
    for size, flag in ((plan.size, "--size"), (plan.high_size, "--teacher-size")):
        if flow and min(size) < SMALLEST:
            native = components.backbone.native and flag == "--size"
            larger = "use a larger low size" if native else f"raise {flag}"
            raise ElrError(
                f"optical flow needs sides of {SMALLEST} pixels or more, but method '{name}' computes it at "
                f"{size[0]}x{size[1]}; {larger} or use {name.partition(':')[0]}:spatial"
            )
    if options.get("train", ALL) != ALL:
        raise ElrError(f"method '{name}' trains filters that two networks share, all of them; remove method.train")
    if options["streams"] == "both" and (options.get("layer_decay", 1.0) != 1 or options.get("freeze_epochs", 0)):
        raise ElrError(
            f"method '{name}' has two backbones side by side, whose levels method.layer_decay and "
            "method.freeze_epochs cannot tell apart; remove them or use "
            f"{name.partition(':')[0]}:spatial"
        )
