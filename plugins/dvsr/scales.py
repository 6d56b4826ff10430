"""Choose the scales of the networks, and reject sizes that no scale reaches. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan

Size = tuple[int, int]
SCALES = (4, 8)


def check(plan: Plan, components: Components) -> None:
    """ElrError if no scale leads from the plan's low size to network size, or if one checkpoint is for two networks."""
    options = components.options(plan, "enhancer")
    scales = scales_of(components.degradation.low, plan.size, options, plan.enhancer)
    if len(scales) > 1 and options["weights"] != "fit":
        raise ElrError(
            f"enhancer '{plan.enhancer}' has networks by {_either(scales)} for natively low clips, but a checkpoint "
            f"holds one; use --set enhancer.scale={_either(scales)}"
        )


def scales_of(low: Size | None, size: Size, options: Mapping[str, Value], name: str = "dvsr") -> tuple[int, ...]:
    """Return the scales of an enhancer's networks from low (h, w), or None if clips differ in size, to `size` (H, W).

    ElrError if there is none; it names sizes that can be reached.
    """
    asked = int(options["scale"])
    wanted = (asked,) if asked else SCALES
    if low is not None:
        found = tuple(scale for scale in wanted if _times(low, scale) == size)
        reached = [_times(low, scale) for scale in wanted]
        what = f"enlarges {_text(low)} by {_either(wanted)}"
    elif options["native_input"] == "by-size":
        step = max(wanted)
        found = wanted if all(side % step == 0 for side in size) else ()
        below: Size = (size[0] // step * step, size[1] // step * step)
        reached = [near for near in (below, (below[0] + step, below[1] + step)) if min(near) > 0]
        what = f"enlarges a part of the network's size by {_either(wanted)}"
    else:
        side = int(str(options["native_input"]).removeprefix("fixed-"))
        found = tuple(scale for scale in wanted if _times((side, side), scale) == size)
        reached = [_times((side, side), scale) for scale in wanted]
        what = f"with native_input={options['native_input']} enlarges {side}x{side} by {_either(wanted)}"
    if not found:
        raise ElrError(
            f"enhancer '{name}' {what}, which does not give {_text(size)}; use --size {_either(map(_text, reached))}"
        )
    return found


def scale_for(clip: Size, size: Size, scales: tuple[int, ...]) -> int:
    """Return the smallest of `scales` that reaches network size (H, W) from a clip (h, w), or the largest scale."""
    reaching = (scale for scale in scales if clip[0] * scale >= size[0] and clip[1] * scale >= size[1])
    return next(reaching, scales[-1])


def _times(low: Size, scale: int) -> Size:
    return low[0] * scale, low[1] * scale


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _either(words: Iterable[object]) -> str:
    return " or ".join(map(str, words))
