"""The spec of a transfer method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from benchmark_core.specs.option import Value
from benchmark_core.specs.spec import NOTHING, Spec
from benchmark_core.specs.target import Target


@dataclass(frozen=True, kw_only=True)
class MethodSpec(Spec):
    """A way to train a recognizer.

    fit: `fit(training) -> Recognizer`, the recognizer to deploy and score.
    recognizer: `recognizer(parts) -> Recognizer`, a pure function of the plan; only for a method with its own head.
    recognizer_options: options that shape the recognizer; the others do not change its cost.
    recognizer_when: option -> the values for which `recognizer` applies, if it does not always; with other values, the
        method has no head of its own.
    defaults: plan fields that the method prefers (backbone, enhancer, size, sampling, …).
    backbones: the only backbones that the method works with; empty: it works with any.
    needs_high: training reads high views of the training clips.
    needs: "stages": the method reads the backbone's stage maps. "intervals": its head has a fixed number of intervals
        K, so that sampling by windows is refused. "single-input": it reads pictures or flow itself instead of what the
        recognizer makes of them, so that early fusion is refused. "same-network": high views go through the student's
        own network, so that a teacher may only have another size. "one-process": parts of its training are
        not shared, such as filters or an SVM, so that several processes are refused.
    unlabelled: option -> the values for which training also reads unlabelled clips.
    takes: plan fields that the method uses if they are given. "teacher": it gets its teacher from
        `training.teacher_stage`, which an external teacher may replace. "high_source": it ends with the student on the
        target's own low views, so that high views may come from another dataset.
    no_teacher_when: option -> the values for which a method with `needs_high` trains no teacher.
    check: `check(plan, components) -> None`, raises ElrError if the method's options do not fit the rest of the plan.
        It is called before data is read; its module must not import torch.
    oracle: the recognizer is scored on high views: an upper bound, not ranked.
    oracle_when: option -> the values for which the method is an oracle, if it is not one by default.
    yardstick: a simple method that learned methods should beat. Tables mark the rows that do not.
    controls: variants that are controls of all methods, if they train as long.
    own_controls: variant -> the control of this method's rows with that variant; "" -> of its other rows. A control is
        the same training without the method's idea: a method's whole name (`stat:ce-third`), or the variants that
        take the variant's place (`no-attention`). Tables show the difference from it.
    idea_options: options without effect in these controls. A row and its control may differ in them.
    """

    kind: ClassVar[str] = "method"
    fit: Target
    recognizer: Target | None = None
    recognizer_options: tuple[str, ...] = ()
    recognizer_when: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    defaults: Mapping[str, Value] = field(default_factory=lambda: NOTHING)
    backbones: tuple[str, ...] = ()
    needs_high: bool = False
    needs: tuple[Literal["stages", "intervals", "single-input", "same-network", "one-process"], ...] = ()
    unlabelled: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    takes: tuple[Literal["teacher", "high_source"], ...] = ()
    no_teacher_when: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    check: Target | None = None
    oracle: bool = False
    oracle_when: Mapping[str, tuple[Value, ...]] = field(default_factory=lambda: NOTHING)
    yardstick: bool = False
    controls: tuple[str, ...] = ()
    own_controls: Mapping[str, str] = field(default_factory=lambda: NOTHING)
    idea_options: tuple[str, ...] = ()

    def has_teacher(self, options: Mapping[str, Value]) -> bool:
        """Return whether training with these options uses a network on high views."""
        return self.needs_high and not any(options[key] in values for key, values in self.no_teacher_when.items())

    def under(self, options: Mapping[str, Value]) -> MethodSpec:
        """Return the spec for given options: with `oracle` if `oracle_when` lists one of their values, and without
        `recognizer` if `recognizer_when` lists none of them.
        """
        oracle = self.oracle or any(options[key] in values for key, values in self.oracle_when.items())
        named = self.recognizer_when.items()
        recognizer = None if named and not any(options[key] in values for key, values in named) else self.recognizer
        if (oracle, recognizer) == (self.oracle, self.recognizer):
            return self
        return replace(self, oracle=oracle, recognizer=recognizer)
