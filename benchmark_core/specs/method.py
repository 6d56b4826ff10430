"""What a transfer method says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec
from benchmark_core.specs.target import Target


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """How a recognizer is trained.

    fit: `fit(training) -> Recognizer`, the one to be deployed and scored.
    recognizer: `recognizer(parts) -> Recognizer`, a pure function of the plan, for a method with a head of its own.
    recognizer_options: the options that shape its recognizer; others do not change what a recognizer costs.
    defaults: plan fields it prefers (backbone, enhancer, size, sampling, …).
    needs_high: training reads high views of the training clips.
    unlabelled: option -> its values at which training also reads a pool of clips without labels.
    takes: what it makes use of where a plan gives it. "teacher": its T-Net comes from `training.teacher_stage`, which a
        fitted one may stand in for. "high_source": it ends with the student on the target's own low views, so that high
        views may be another dataset's.
    check: `check(plan, chosen) -> None`, raising ElrError where its options do not go with what else a plan names; it
        is called before data is touched, and its module imports no torch.
    privileged: the recognizer is scored on high views: a ceiling, not a competitor.
    ceilings: option -> its values at which that is so, where it is not so by default.
    """

    kind: ClassVar[str] = "method"
    fit: Target
    recognizer: Target | None = None
    recognizer_options: tuple[str, ...] = ()
    defaults: Mapping[str, Value] = field(default_factory=lambda: NOTHING)
    needs_high: bool = False
    unlabelled: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    takes: tuple[Literal["teacher", "high_source"], ...] = ()
    check: Target | None = None
    needs_stages: bool = False  # reads the backbone's stage maps
    fixed_intervals: bool = False  # its head is built for K intervals
    oracle: bool = False
    oracle_when: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    controls: tuple[str, ...] = ()  # variants that stand beside every transfer method in tables

    def under(self, options: Mapping[str, Value]) -> MethodSpec:
        """The method as `options` make it: privileged where one of them says so."""
        ceiling = any(options[key] in values for key, values in self.oracle_when.items())
        return replace(self, oracle=True) if ceiling else self
