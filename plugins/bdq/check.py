"""Which plans the encoder refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the kernel has no centre, or if a clip to train on may have several actions."""
    options = components.options(plan, "enhancer")
    if int(options["kernel"]) % 2 == 0:
        raise ElrError(f"enhancer '{plan.enhancer}' blurs around a pixel; set enhancer.kernel to an odd number")
    if components.dataset.task != "single-label" and options["weights"] == "fit":
        raise ElrError(
            f"enhancer '{plan.enhancer}' is trained on one action per clip, but dataset '{plan.dataset}' is "
            f"{components.dataset.task}; pass an encoder that another run trained: --enhancer-weights FILE"
        )
