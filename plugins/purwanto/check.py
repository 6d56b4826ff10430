"""What of a plan the attention network and the system refuse before data is touched. Imports no torch."""

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
    """ElrError where the heads do not divide the channels of the backbone's last stage map."""
    heads = int(components.options(plan, "method")["heads"])
    frames = (Sampling.parse(plan.sampling).t,) if components.backbone.dims == 3 else ()
    options = tuple(sorted(components.options(plan, "backbone").items()))
    channels = _channels(components.backbone.factory, options, (3, *frames, *plan.size))
    if channels % heads:
        may = ", ".join(str(number) for number in range(1, channels + 1) if channels % number == 0 and number <= 64)
        raise ElrError(
            f"method '{plan.method}': {heads} heads do not divide the {channels} channels of backbone "
            f"'{plan.backbone}'; set method.heads to one of {may}"
        )


def check_system(plan: Plan, components: Components) -> None:
    """As `check_attention`; also where the plan names what its rows of Table 2 do not read: its record would say that
    they did.
    """
    options = components.options(plan, "method")
    if options["sa"]:
        check_attention(plan, components)
    if options["kd"]:
        return
    if plan.teacher:
        raise ElrError(
            f"method '{plan.method}' distils nothing, and has no use for a fitted teacher; leave out --teacher"
        )
    if plan.hr_source and not components.enhancer.needs_high:
        raise ElrError(
            f"method '{plan.method}' distils nothing, and enhancer '{plan.enhancer}' learns nothing: neither has a use "
            f"for high views of '{plan.hr_source}'; leave out --high-source"
        )


@lru_cache(maxsize=64)
def _channels(factory: Target, options: tuple[tuple[str, Value], ...], view: tuple[int, ...]) -> int:
    """Of a backbone's last stage map, for one view (3, [T,] H, W); nothing is initialised or computed."""
    import torch

    from benchmark_core.networks.assemble import map_shape

    with torch.device("meta"):
        backbone = resolve(factory)(2, dict(options))
    return map_shape(backbone, view)[0]
