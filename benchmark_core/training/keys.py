"""What a stage's result depends on, and so what its key holds."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from benchmark_core.canonical import digest_of
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import Value

VIEWS = ("low", "high", "unlabelled")  # what a stage may need beside options and other stages
CLASSIFIER = "classifier"  # and a stage of an enhancer: the plan's backbone, by which it learns


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """What a stage reads beside the plan, as digests.

    clips: of the training clips' ids, targets and contents, as the store holds them (a skipped clip is not among them).
    low, high: keys of the stored views, which hold size, crop, degradation, decoder and revisions.
    unlabelled: likewise of the pool's clips, where there is one. source: of the clips that lend high views, where those
    are another dataset's.
    crop: how the augmentation box is cut. owners: kind -> the distribution, or digest of the file, that it is from.
    """

    clips: str
    low: str
    high: str
    crop: str
    owners: Mapping[str, str]
    unlabelled: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class StageKey:
    """A stage is the same iff its name, function, revision and the numbers that it reads are."""

    name: str
    function: str
    revision: int
    numbers: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """16 hex digits."""
        return digest_of([self.name, self.function, self.revision, dict(self.numbers)])


def stage_numbers(
    plan: Plan,
    given: StageInputs,
    needs: Sequence[str],
    stages: Sequence[str],
    module: Any,
    *,
    scope: Literal["method", "enhancer"] = "method",
) -> dict[str, Any]:
    """Everything that can change what a stage fits.

    needs: "low", "high", "unlabelled", and names of the method's options. stages: keys of those it builds on.
    module: its parameters' names and shapes stand for its structure, head included.
    scope: whose stage it is. An enhancer's reads frames of its own number, no backbone unless it needs a "classifier",
    and of its own options those among `needs`: what two enhancers fit alike is one stage.
    """
    if scope == "enhancer":
        kinds = {"dataset"} | ({"degradation"} if "low" in needs else set())
        kinds |= {"backbone"} if CLASSIFIER in needs else set()
        left_out = {"sampling"} if CLASSIFIER in needs else {"sampling", "weights"}
    else:
        kinds = {"dataset", "backbone"} | ({"degradation", "enhancer"} if "low" in needs else set())
        left_out = set()
    numbers: dict[str, Any] = {
        "protocol": plan.protocol,
        "fold": plan.fold,
        "clips": given.clips,
        "weights": plan.weights,
        "modality": plan.modality,
        "size": list(plan.size),
        "sampling": plan.sampling,
        "precision": plan.precision,
        "seed": plan.seed,
        "crop": given.crop,
        "structure": digest_of({name: list(value.shape) for name, value in module.state_dict().items()}),
        **{kind: getattr(plan, kind) for kind in sorted(kinds)},
        **{f"{kind} from": given.owners[kind] for kind in sorted(kinds)},
        **{key: value for key, value in plan.settings.items() if key.partition(".")[0] in kinds},
    }
    numbers = {key: value for key, value in numbers.items() if key not in left_out}
    if scope == "enhancer":
        numbers["enhancer from"] = given.owners["enhancer"]
    if "low" in needs:
        numbers["low"] = given.low
    if "high" in needs:
        numbers["high"] = [given.high, plan.high_source, *([given.source] if plan.hr_source else [])]
    if "unlabelled" in needs and plan.unlabelled:
        numbers["unlabelled"] = [plan.unlabelled, given.unlabelled]
    for need in needs:
        if (key := f"{scope}.{need}") in plan.settings:
            numbers[key] = plan.settings[key]
    return {**numbers, "stages": list(stages)}


def function_name(fn: Callable[..., Any]) -> str:
    """module:qualname of what a stage runs; keywords bound by `functools.partial` are part of it."""
    if isinstance(fn, functools.partial):
        bound = ",".join(f"{key}={value!r}" for key, value in sorted(fn.keywords.items()))
        return f"{function_name(fn.func)}({bound})"
    return f"{fn.__module__}:{fn.__qualname__}"


class NamedOptions(dict[str, Value]):
    """Options inside a stage: those that it names. ElrError where it reads another, which its key does not hold."""

    def __init__(self, options: Mapping[str, Value], stage: str, named: Collection[str]) -> None:
        super().__init__(options)
        self._stage, self._named = stage, frozenset(named)

    def __getitem__(self, key: str) -> Value:
        """The option's value."""
        if key in self and key not in self._named:
            raise ElrError(
                f"stage '{self._stage}' reads the option '{key}', which its `needs` do not name: a run with another "
                f"{key} would be given the weights of this one; name it"
            )
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        """Likewise, or `default` where the component has no such option."""
        try:
            return self[key]
        except KeyError:
            return default


class FittedModules:
    """Which stage left each module as it now is."""

    def __init__(self) -> None:
        self._rows: list[tuple[nn.Module, str]] = []

    def add(self, module: nn.Module, key: str) -> None:
        """`module` was fitted, or restored, by the stage of `key`."""
        self._rows.append((module, key))

    def key(self, module: nn.Module, stage: str) -> str:
        """The latest stage that touched `module`, or what it is a part of. ElrError where none has."""
        for known, key in reversed(self._rows):
            if any(part is module for part in known.modules()):
                return key
        raise ElrError(
            f"stage '{stage}' needs a {type(module).__name__} that no stage has fitted; fit it in a stage before"
        )
