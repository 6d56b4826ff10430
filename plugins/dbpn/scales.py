"""Choose the scale of a network, and reject sizes that no scale reaches. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError
from benchmark_core.specs import Value

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan

Size = tuple[int, int]
SCALES = (2, 4, 8)
NATIVE = 4  # scale for clips as recorded, which differ in size


def check(plan: Plan, components: Components) -> None:
    """ElrError if no scale leads from the plan's low size to network size."""
    scale_of(components.degradation.low, plan.size, components.options(plan, "enhancer"), plan.enhancer)


def scale_of(low: Size | None, size: Size, options: Mapping[str, Value], name: str = "dbpn") -> int:
    """Return the scale of an enhancer from low (h, w), or None if clips differ in size, to `size` (H, W).

    With option `resize`: the smallest scale whose output is at least H x W, or the largest scale.
    ElrError if no scale gives H x W; it names sizes that can be reached.
    """
    asked = int(options["scale"])
    if low is None:
        scale = asked or NATIVE
        if options["resize"] or all(side % scale == 0 for side in size):
            return scale
        below = _of(size, lambda side: max(scale, side // scale * scale))
        reached = list(dict.fromkeys((below, _of(size, lambda side: -(-side // scale) * scale))))
        what = f"enlarges a part of the network's size by {scale}"
    else:
        wanted = (asked,) if asked else SCALES
        reached = [times(low, scale) for scale in wanted]
        if size in reached:
            return wanted[reached.index(size)]
        if options["resize"]:
            enough = (scale for scale in wanted if low[0] * scale >= size[0] and low[1] * scale >= size[1])
            return next(enough, wanted[-1])
        what = f"enlarges {_text(low)} by {_either(wanted)}"
    raise ElrError(
        f"enhancer '{name}' {what}, which does not give {_text(size)}; use --size {_either(map(_text, reached))}, or "
        "--set enhancer.resize=true"
    )


def source_of(low: Size | None, size: Size, scale: int) -> Size:
    """Return the network's input size: `low`, or (H, W) / scale, rounded up, if clips differ in size (low is None)."""
    return low or _of(size, lambda side: -(-side // scale))


def times(low: Size, scale: int) -> Size:
    """Return (h, w) times `scale`."""
    return low[0] * scale, low[1] * scale


def _of(size: Size, each: Callable[[int], int]) -> Size:
    return each(size[0]), each(size[1])


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"


def _either(words: Iterable[object]) -> str:
    return " or ".join(map(str, words))
