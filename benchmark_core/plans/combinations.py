"""Which combinations cannot work, and why: one table, checked before any data is touched and printed in the docs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import (
    BackboneSpec,
    DatasetSpec,
    DegradationSpec,
    EnhancerSpec,
    MethodSpec,
    Spec,
    Value,
    defaults,
    resolve,
)


@dataclass(frozen=True, kw_only=True)
class Components:
    """The specs that a plan names.

    enlarges: what enlarges frames for optical flow, where the enhancer leaves that to another.
    """

    dataset: DatasetSpec
    degradation: DegradationSpec
    enhancer: EnhancerSpec
    backbone: BackboneSpec
    method: MethodSpec
    enlarges: EnhancerSpec | None = None

    @property
    def needs_high(self) -> bool:
        """Whether training reads high views: for the method, or to fit the enhancer."""
        return self.method.needs_high or self.enhancer.needs_high

    @property
    def takes_source(self) -> bool:
        """Whether high views may be another dataset's."""
        return "high_source" in self.method.takes or (self.enhancer.needs_high and not self.method.needs_high)

    def options(self, plan: Plan, kind: str) -> dict[str, Value]:
        """Every option of one kind of component: those that `plan` leaves out are at their defaults."""
        spec: Spec = getattr(self, kind)
        return defaults(spec) | plan.options(kind)


@dataclass(frozen=True)
class Rule:
    """`refuses` says whether the combination cannot work; `why` is the line that the user reads."""

    name: str
    refuses: Callable[[Plan, Components], bool]
    why: str


RULES: tuple[Rule, ...] = (
    Rule(
        "2d-needs-one-frame",
        lambda plan, components: components.backbone.dims == 2 and Sampling.parse(plan.sampling).t != 1,
        "backbone '{plan.backbone}' is 2D and takes one frame an interval, but sampling is {plan.sampling}; "
        "use e.g. 4x1",
    ),
    Rule(
        "stages-needed",
        lambda plan, components: "stages" in components.method.needs and not components.backbone.stages,
        "method '{plan.method}' reads stage maps, which backbone '{plan.backbone}' does not offer",
    ),
    Rule(
        "modality",
        lambda plan, components: components.backbone.modality not in ("rgb", kind(plan.modality)),
        "modality {plan.modality} does not fit backbone '{plan.backbone}', which takes {components.backbone.modality}",
    ),
    Rule(
        "native-needs-native",
        lambda plan, components: components.degradation.crop == "none" and not components.dataset.natively_low,
        "degradation '{plan.degradation}' takes clips as recorded, but dataset '{plan.dataset}' is not natively low; "
        "use e.g. average-12x16",
    ),
    Rule(
        "no-ceiling-on-native",
        lambda plan, components: components.method.oracle and components.degradation.crop == "none",
        "method '{plan.method}' is scored on high views, and a native track has none; use supervised",
    ),
    Rule(
        "fixed-intervals",
        lambda plan, components: (
            "intervals" in components.method.needs and Sampling.parse(plan.sampling).kind == "windows"
        ),
        "method '{plan.method}' is built for a fixed number of intervals, and {plan.sampling} gives longer clips more; "
        "use e.g. --sampling 4x{frames}",
    ),
    Rule(
        "too-small",
        lambda plan, components: min(plan.size) < components.backbone.smallest,
        "backbone '{plan.backbone}' takes views of {components.backbone.smallest} pixels or more a side; raise --size",
    ),
    Rule(
        "one-value-a-batch",
        lambda plan, components: plan.settings.get("method.batch") == 1 and Sampling.parse(plan.sampling).k == 1,
        "batches of one clip with one interval leave batch normalisation nothing to average over; raise method.batch",
    ),
    Rule(
        "flow-of-stored-views",
        lambda plan, components: kind(plan.modality) == "flow" and _made_anew(plan, components),
        "optical flow is made once, of stored views, but '{plan.method}' sees low views that degradation "
        "'{plan.degradation}' makes anew in each epoch; use e.g. average-12x16",
    ),
    Rule(
        "flow-enhancer",
        lambda plan, components: (
            kind(plan.modality) == "flow" and components.enlarges is None and _learns(plan, components)
        ),
        "optical flow of a low view is made of enlarged frames before anything is trained, and enhancer "
        "'{plan.enhancer}' has parameters to train; use e.g. --enhancer bicubic",
    ),
    Rule(
        "one-teacher",
        lambda plan, components: bool(plan.teacher) and len(plan.streams) > 1,
        "a fitted teacher sees one modality, and {plan.modality} are two networks; run each with a --teacher of its "
        "own, or leave it out",
    ),
    Rule(
        "pool-needed",
        lambda plan, components: not plan.unlabelled and bool(asks_for_pool(plan, components)),
        "method '{plan.method}' with {pool} also learns from clips without labels, and no pool is given; add e.g. "
        "--unlabelled videos:PATH",
    ),
    Rule(
        "pool-unused",
        lambda plan, components: bool(plan.unlabelled) and not asks_for_pool(plan, components),
        "method '{plan.method}' as set here learns from labelled clips alone and has no use for the pool "
        "'{plan.unlabelled}'; leave out --unlabelled",
    ),
    Rule(
        "teacher-unused",
        lambda plan, components: bool(plan.teacher) and "teacher" not in components.method.takes,
        "method '{plan.method}' has no use for a fitted teacher; leave out --teacher",
    ),
    Rule(
        "source-unused",
        lambda plan, components: bool(plan.source) and not components.takes_source,
        "method '{plan.method}' takes no high views from another dataset, nor does enhancer '{plan.enhancer}'; leave "
        "out --high-source",
    ),
    Rule(
        "source-for-native",
        lambda plan, components: bool(plan.source) and components.degradation.crop != "none",
        "degradation '{plan.degradation}' makes low views of the dataset's own high ones; --high-source is for clips "
        "taken as recorded, --degradation native",
    ),
)


def check_combination(plan: Plan, components: Components) -> None:
    """ElrError with the reason where a rule or the method's own check refuses `plan`, or one that it fuses."""
    for one in (plan, *(plan.streams if len(plan.streams) > 1 else ())):
        for rule in RULES:
            if rule.refuses(one, components):
                pool = ", ".join(asks_for_pool(one, components))
                frames = Sampling.parse(one.sampling).t
                raise ElrError(rule.why.format(plan=one, components=components, pool=pool, frames=frames))
    for spec in (components.enhancer, components.method):
        if spec.check is not None:
            resolve(spec.check)(plan, components)


def check_extras(plan: Plan, components: Components) -> None:
    """ElrError where an extra is not installed that a component needs, a backbone for the weights that it names."""
    specs: list[Spec] = [components.dataset, components.degradation, components.enhancer, components.method]
    for spec in (
        *specs,
        *([components.backbone] if isinstance(components.backbone.weights.get(plan.weights), str) else []),
    ):
        spec.check_extra()


def _made_anew(plan: Plan, components: Components) -> bool:
    """Whether low views are made on the device, or in training of clips as recorded."""
    crop = components.degradation.crop
    return crop == "before" or (crop == "none" and (components.needs_high or bool(plan.source)))


def _learns(plan: Plan, components: Components) -> bool:
    """Whether the enhancer has parameters to train."""
    spec = components.enhancer
    if spec.fit is not None:
        return True
    return any(True for _ in spec.build(components.degradation.low, plan.size, plan.options("enhancer")).parameters())


def asks_for_pool(plan: Plan, components: Components) -> list[str]:
    """`method.KEY=VALUE` of the options at which the plan's method learns from clips without labels."""
    options = components.options(plan, "method")
    asking = components.method.unlabelled.items()
    return [f"method.{key}={options[key]}" for key, values in asking if options[key] in values]
