"""Which plans the denoiser refuses. Imports no torch."""

from __future__ import annotations

from benchmark_core.clips.modality import kind
from elrbench import Components, ElrError, Plan


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if a patch has no centre, or if optical flow would be computed from single frames."""
    if int(components.options(plan, "enhancer")["patch"]) % 2 == 0:
        raise ElrError(
            f"enhancer '{plan.enhancer}' compares patches around a pixel; set enhancer.patch to an odd number"
        )
    if any(kind(stream.modality) == "flow" for stream in plan.streams):
        raise ElrError(
            f"enhancer '{plan.enhancer}' takes 16 frames at once, but stored optical flow is computed from frames that "
            "are enlarged one by one; use --enhancer bilinear with --modality flow"
        )
