"""Which plans tosr refuses. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.modality import SMALLEST
from benchmark_core.clips.sampling import Sampling
from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures of several frames, or are too small for flow."""
    if plan.modality != "rgb":
        raise ElrError(
            f"method '{plan.method}' computes the optical flow of super-resolved pictures itself, and takes pictures, "
            f"not {plan.modality}; use --modality rgb"
        )
    if components.backbone.dims != 3 or Sampling.parse(plan.sampling).t < 2:
        raise ElrError(
            f"method '{plan.method}' computes flow between the frames of an interval, but backbone '{plan.backbone}' "
            f"with sampling {plan.sampling} sees single frames; use e.g. --backbone i3d --sampling 4x16"
        )
    if components.backbone.modality != "rgb":
        raise ElrError(
            f"method '{plan.method}' adapts a backbone of pictures to flow, and '{plan.backbone}' is none; use e.g. "
            "--backbone i3d"
        )
    options = components.options(plan, "method")
    one_level = str(options.get("train", "all")).startswith("last-")
    if options.get("layer_decay", 1.0) != 1 or options.get("freeze_epochs", 0) or one_level:
        raise ElrError(
            f"method '{plan.method}' reads flow through one module, in which method.layer_decay, method.freeze_epochs "
            "and method.train=last-N see a single level; remove them"
        )
    if min(plan.size) < SMALLEST:
        raise ElrError(
            f"optical flow needs sides of {SMALLEST} pixels or more, but method '{plan.method}' computes it at "
            f"{plan.size[0]}x{plan.size[1]}; use a larger low size or raise --size"
        )
