"""Native backbones, which take low views as they are: their default enhancer and size, and the rules for them."""

from __future__ import annotations

from benchmark_core.clips.modality import SMALLEST as SMALLEST_FLOW
from benchmark_core.clips.modality import kind
from benchmark_core.plans.components import Components, Rule
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import NO_ENHANCER, DatasetSpec, DegradationSpec


def native_defaults(dataset: DatasetSpec, degradation: DegradationSpec) -> dict[str, str]:
    """Return the enhancer and the size that a native backbone has if none is asked for.

    The size is left out if clips are used as recorded and differ in size.
    """
    size = low_size(dataset, degradation)
    return {"enhancer": NO_ENHANCER} | ({} if size is None else {"size": _text(size)})


def low_size(dataset: DatasetSpec, degradation: DegradationSpec) -> tuple[int, int] | None:
    """Return (h, w) of low views; None if clips are used as recorded and differ in size."""
    return dataset.recorded_size if degradation.crop == "none" else degradation.low


def _low_size(components: Components) -> tuple[int, int] | None:
    return low_size(components.dataset, components.degradation)


def _text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def _flow_is_too_small(plan: Plan, components: Components) -> bool:
    return components.backbone.native and kind(plan.modality) == "flow" and min(plan.size) < SMALLEST_FLOW


def _enhances(plan: Plan, components: Components) -> bool:
    return components.backbone.native and components.enhancer.name != NO_ENHANCER


def _has_another_size(plan: Plan, components: Components) -> bool:
    low = components.degradation.low
    return components.backbone.native and not components.method.oracle and low not in (None, plan.size)


def _needs_an_enhancer(plan: Plan, components: Components) -> bool:
    leaves = components.enhancer.name == NO_ENHANCER and not components.backbone.native
    return leaves and not components.method.oracle and plan.size != _low_size(components)


NATIVE_RULES: tuple[Rule, ...] = (
    Rule(
        "native-enhancer",
        _enhances,
        "backbone '{plan.backbone}' works at the low size and takes no enhancer, not '{plan.enhancer}'; use "
        "--enhancer none or another --backbone",
    ),
    Rule(
        "native-crop",
        lambda plan, components: components.backbone.native and components.degradation.crop == "before",
        "degradation '{plan.degradation}' makes low views from crops of network size, but backbone '{plan.backbone}' "
        "has the low size itself; use e.g. --degradation average-{low}",
    ),
    Rule(
        "native-size",
        _has_another_size,
        "backbone '{plan.backbone}' works at the low size, {low} on this track, not {size}; remove --size or change "
        "the low size with --degradation",
    ),
    Rule(
        "native-too-small",
        lambda plan, components: components.backbone.native and min(plan.size) < components.backbone.smallest,
        "backbone '{plan.backbone}' needs sides of {components.backbone.smallest} pixels or more, but its views have "
        "{size}; use a larger low size or another --backbone",
    ),
    Rule(
        "native-flow",
        _flow_is_too_small,
        "optical flow needs sides of {smallest_flow} pixels or more, but backbone '{plan.backbone}' works at {size}; "
        "use --modality rgb+flow-early, whose flow has no smallest size",
    ),
    Rule(
        "no-enhancer",
        _needs_an_enhancer,
        "enhancer '{plan.enhancer}' leaves low views at their size, {low}, but backbone '{plan.backbone}' gets {size}; "
        "use e.g. --enhancer bilinear",
    ),
)


def rule_words(plan: Plan, components: Components) -> dict[str, object]:
    """Return the sizes that the messages of the rules name."""
    low = _low_size(components)
    return {
        "low": "as recorded" if low is None else _text(low),
        "size": _text(plan.size),
        "smallest_flow": SMALLEST_FLOW,
    }
