"""Which combinations cannot work, and why: one table, checked before any data is touched and printed in the docs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.plan import Plan
from benchmark_core.specs import (
    BackboneSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
    Value,
    defaults,
)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The specs that a plan names."""

    dataset: DatasetSpec
    degradation: DegradationSpec
    enhancer: EnhancerSpec
    backbone: BackboneSpec
    method: MethodSpec

    def options(self, plan: Plan, kind: str) -> dict[str, Value]:
        """Every option of one kind of component: those that `plan` leaves out are at their defaults."""
        spec: Spec = getattr(self, kind)
        return defaults(spec) | plan.options(kind)


@dataclass(frozen=True)
class Rule:
    """`refuses` says whether the combination cannot work; `why` is the line that the user reads."""

    name: str
    refuses: Callable[[Plan, Chosen], bool]
    why: str


RULES: tuple[Rule, ...] = (
    Rule(
        "2d-needs-one-frame",
        lambda plan, chosen: chosen.backbone.dims == 2 and Sampling.parse(plan.sampling).t != 1,
        "backbone '{plan.backbone}' is 2D and takes one frame an interval, but sampling is {plan.sampling}; "
        "use e.g. 4x1",
    ),
    Rule(
        "stages-needed",
        lambda plan, chosen: chosen.method.needs_stages and not chosen.backbone.stages,
        "method '{plan.method}' reads stage maps, which backbone '{plan.backbone}' does not offer",
    ),
    Rule(
        "modality",
        lambda plan, chosen: plan.modality != chosen.backbone.modality,
        "modality {plan.modality} does not fit backbone '{plan.backbone}', which takes {chosen.backbone.modality}",
    ),
    Rule(
        "native-needs-native",
        lambda plan, chosen: chosen.degradation.crop == "none" and not chosen.dataset.natively_low,
        "degradation '{plan.degradation}' takes clips as recorded, but dataset '{plan.dataset}' is not natively low; "
        "use e.g. average-12x16",
    ),
    Rule(
        "no-ceiling-on-native",
        lambda plan, chosen: chosen.method.privileged and chosen.degradation.crop == "none",
        "method '{plan.method}' is scored on high views, and a native track has none; use supervised",
    ),
    Rule(
        "video-enhancer",
        lambda plan, chosen: chosen.enhancer.frames > 1,
        "enhancer '{plan.enhancer}' takes {chosen.enhancer.frames} frames at once, which views do not widen to yet",
    ),
    Rule(
        "learnt-enhancer",
        lambda plan, chosen: chosen.enhancer.fit is not None,
        "enhancer '{plan.enhancer}' is to be fitted first, which no method does yet",
    ),
    Rule(
        "fixed-intervals",
        lambda plan, chosen: chosen.method.fixed_intervals and Sampling.parse(plan.sampling).kind == "windows",
        "method '{plan.method}' is built for a fixed number of intervals, and {plan.sampling} gives longer clips more; "
        "use e.g. 4x1",
    ),
    Rule(
        "too-small",
        lambda plan, chosen: min(plan.size) < chosen.backbone.smallest,
        "backbone '{plan.backbone}' takes views of {chosen.backbone.smallest} pixels or more a side; raise --size",
    ),
    Rule(
        "one-value-a-batch",
        lambda plan, chosen: plan.settings.get("method.batch") == 1 and Sampling.parse(plan.sampling).k == 1,
        "batches of one clip with one interval leave batch normalisation nothing to average over; raise method.batch",
    ),
)


def check_combination(plan: Plan, chosen: Chosen) -> None:
    """ElrError with the reason where a rule refuses."""
    for rule in RULES:
        if rule.refuses(plan, chosen):
            raise ElrError(rule.why.format(plan=plan, chosen=chosen))
