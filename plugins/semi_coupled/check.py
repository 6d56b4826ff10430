"""Which plans semi-coupled refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the views are no pictures, there are no high views, the two networks would differ, or `--keep`.

    The best epoch cannot be kept, because filters are copied after the last epoch.
    """
    options = components.options(plan, "method")
    if plan.modality != "rgb":
        raise ElrError(
            f"method '{plan.method}' computes optical flow itself and takes pictures, not {plan.modality}; use "
            "--modality rgb"
        )
    if components.enhancer.fit is not None or components.enhancer.frames > 1:
        raise ElrError(
            f"method '{plan.method}' stores the output of its enhancer, which must enlarge single frames without "
            f"training, but '{plan.enhancer}' does not; use e.g. --enhancer cubic"
        )
    if not options["coupled"]:
        return
    if components.degradation.crop == "none":
        raise ElrError(
            f"method '{plan.method}' couples networks on low and on high views, but degradation '{plan.degradation}' "
            "has no high views; use --method semi-coupled:uncoupled or another --degradation"
        )
    if plan.keep:
        raise ElrError(
            f"method '{plan.method}' copies filters of the network on high views after the last epoch, so that no "
            "earlier epoch can be kept; remove --keep"
        )
    teacher = plan.of_teacher
    if (teacher.backbone, teacher.size) != (plan.backbone, plan.size):
        raise ElrError(
            f"method '{plan.method}' copies filters between networks of one structure and size; remove "
            "--teacher-backbone and --teacher-size"
        )
    if int(options["epochs"]) % 2:
        raise ElrError(
            f"method '{plan.method}': method.epochs={options['epochs']} is odd, but both networks get equally many; "
            "use an even number"
        )
