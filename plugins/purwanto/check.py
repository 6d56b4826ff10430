"""Reject plans that the attention network or the system cannot run, before any data is read. Imports no torch."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.specs import resolve

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan
    from benchmark_core.specs import Target, Value


def check_attention(plan: Plan, components: Components) -> None:
    """ElrError if the number of heads does not divide the channels of the backbone's last stage map."""
    heads = int(components.options(plan, "method")["heads"])
    frames = (Sampling.parse(plan.sampling).t,) if components.backbone.dims == 3 else ()
    options = tuple(sorted(components.options(plan, "backbone").items()))
    channels = _channels(components.backbone.factory, options, (3, *frames, *plan.size))
    if channels % heads:
        divisors = ", ".join(
            str(number) for number in range(1, channels + 1) if channels % number == 0 and number <= 64
        )
        raise ElrError(
            f"method '{plan.method}': {heads} heads do not divide the {channels} channels of backbone "
            f"'{plan.backbone}'; set method.heads to one of {divisors}"
        )


def check_system(plan: Plan, components: Components) -> None:
    """Check the attention network, and the inputs that the plan names.

    ElrError if the plan names an input that its variant does not use: the record would claim that it was used.
    """
    options = components.options(plan, "method")
    if options["sa"]:
        check_attention(plan, components)
    if options["kd"]:
        return
    if plan.teacher:
        raise ElrError(f"method '{plan.method}' has no distillation and does not use a teacher; remove --teacher")
    if plan.hr_source and not components.enhancer.needs_high:
        raise ElrError(
            f"method '{plan.method}' has no distillation, and enhancer '{plan.enhancer}' is not trained: neither uses "
            f"high views of '{plan.hr_source}'; remove --high-source"
        )


@lru_cache(maxsize=64)
def _channels(factory: Target, options: tuple[tuple[str, Value], ...], view: tuple[int, ...]) -> int:
    """Return the channels of a backbone's last stage map for a view (3, [T,] H, W), without computing anything."""
    import torch

    from benchmark_core.networks.assemble import map_shape

    with torch.device("meta"):
        backbone = resolve(factory)(2, dict(options))
    return map_shape(backbone, view)[0]
