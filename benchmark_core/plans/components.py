"""The specs that a plan names, and the form of a rule about their combination."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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
)


@dataclass(frozen=True, kw_only=True)
class Components:
    """The specs that a plan names.

    enlarges: the enhancer that enlarges frames for optical flow, if it is not `enhancer` itself.
    teacher_backbone: the teacher's backbone, if the plan names one.
    """

    dataset: DatasetSpec
    degradation: DegradationSpec
    enhancer: EnhancerSpec
    backbone: BackboneSpec
    method: MethodSpec
    enlarges: EnhancerSpec | None = None
    teacher_backbone: BackboneSpec | None = None

    @property
    def of_teacher(self) -> Components:
        """The components of `Plan.of_teacher`."""
        return replace(self, backbone=self.teacher_backbone or self.backbone, teacher_backbone=None)

    def has_teacher(self, plan: Plan) -> bool:
        """Return whether training uses a network on high views."""
        return self.method.has_teacher(self.options(plan, "method"))

    @property
    def needs_high(self) -> bool:
        """Whether training reads high views, for the method or to train the enhancer."""
        return self.method.needs_high or self.enhancer.needs_high

    @property
    def takes_hr_source(self) -> bool:
        """Whether high views may come from another dataset."""
        return "high_source" in self.method.takes or (self.enhancer.needs_high and not self.method.needs_high)

    def options(self, plan: Plan, kind: str) -> dict[str, Value]:
        """Return all options of one kind of component: the plan's settings over the defaults."""
        spec: Spec = getattr(self, kind)
        return defaults(spec) | plan.options(kind)


@dataclass(frozen=True)
class Rule:
    """`refuses` returns whether the combination cannot work; `why` is the error message."""

    name: str
    refuses: Callable[[Plan, Components], bool]
    why: str
