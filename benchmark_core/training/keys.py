"""Keys of stages: everything that a stage's result depends on, as names and numbers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from torch import nn

from benchmark_core.canonical import digest_of
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan

VIEWS = ("low", "high", "unlabelled")  # what a stage may need in addition to options and other stages
# Needs of an enhancer's stage:
CLASSIFIER = "classifier"  # the plan's backbone, by which the enhancer is trained
SAMPLING = "sampling"  # views with the plan's sampling
OF_ENHANCERS = (CLASSIFIER, SAMPLING)

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """Digests of what a stage reads in addition to the plan.

    clips: digest of ids, targets and contents of the stored training clips; skipped clips are left out.
    low, high: keys of the stored views, which contain size, crop, degradation, decoder and revisions.
    unlabelled, source: the same digest for the unlabelled clips, and for the clips of another dataset that provide the
    high views; "" if the plan has none.
    crop: when the augmentation box is cut. owners: kind of component -> its distribution, or its file's digest;
    `teacher_backbone` only if the teacher has another backbone than the student.
    held_out: the digest of the clips that are held out of training, if the plan keeps the best epoch on them.
    """

    clips: str
    low: str
    high: str
    crop: str
    owners: Mapping[str, str]
    unlabelled: str = ""
    source: str = ""
    held_out: str = ""


@dataclass(frozen=True, kw_only=True)
class StageKey:
    """Two stages are equal if and only if their names, functions, revisions and numbers are.

    function: see `function_name`. numbers: see `stage_numbers`.
    """

    name: str
    function: str
    revision: int
    numbers: Mapping[str, Any]

    @property
    def digest(self) -> str:
        """Return 16 hex digits."""
        return digest_of([self.name, self.function, self.revision, dict(self.numbers)])


def stage_numbers(
    plan: Plan,
    inputs: StageInputs,
    needs: Sequence[str],
    stages: Sequence[str],
    module: Any,
    *,
    scope: Literal["method", "enhancer"] = "method",
    teacher: bool = False,
) -> dict[str, Any]:
    """Return everything that can change what a stage trains.

    needs: "low", "high", "unlabelled", and names of the method's options. stages: keys of the stages that it builds on.
    module: the names and shapes of its parameters and buffers stand for its structure, head included.
    scope: component that the stage trains. The numbers of an enhancer stage include its options in `needs`, the
        plan's sampling only if the stage needs "sampling", and the backbone only if it needs a "classifier". Two
        enhancers whose training is equal therefore share a stage.
    teacher: the stage trains the plan's teacher. Its numbers are those of `Plan.of_teacher`, so that students with
        different backbones share it. The frames that it sees are chosen from those of the student's view.
    """
    owners = dict(inputs.owners)
    drawn = plan.sampling
    frames = {"teacher_frames": plan.teacher_frames} if teacher and plan.teacher_frames else {}
    if teacher:
        plan = plan.of_teacher
        owners["backbone"] = owners.get("teacher_backbone", owners["backbone"])
    if scope == "enhancer":
        kinds = {"dataset"} | ({"degradation"} if "low" in needs else set())
        kinds |= {"backbone"} if CLASSIFIER in needs else set()
        left_out = {number for need, number in ((SAMPLING, "sampling"), (CLASSIFIER, "weights")) if need not in needs}
    else:
        kinds = {"dataset", "backbone"} | ({"degradation", "enhancer"} if "low" in needs else set())
        left_out = set()
    numbers: dict[str, Any] = {
        "protocol": plan.protocol,
        "fold": plan.fold,
        "clips": inputs.clips,
        "weights": plan.weights,
        "modality": plan.modality,
        "size": list(plan.size),
        "sampling": drawn,
        "precision": plan.precision,
        "seed": plan.seed,
        "crop": inputs.crop,
        "structure": digest_of({name: list(value.shape) for name, value in module.state_dict().items()}),
        **{kind: getattr(plan, kind) for kind in sorted(kinds)},
        **{f"{kind} from": owners[kind] for kind in sorted(kinds)},
        **frames,
        **({"processes": [plan.processes, plan.batch_norm]} if plan.processes else {}),
        **{key: value for key, value in plan.settings.items() if key.partition(".")[0] in kinds},
    }
    numbers = {key: value for key, value in numbers.items() if key not in left_out}
    if scope == "enhancer":
        numbers["enhancer from"] = inputs.owners["enhancer"]
    if "low" in needs:
        # With crop "before", low views have no key: they are made of high views, by default of the size in `numbers`.
        numbers["low"] = inputs.low or (inputs.high if plan.high_size != plan.size else "")
    if "high" in needs:
        numbers["high"] = [inputs.high, plan.high_source, *([inputs.source] if plan.hr_source else [])]
    if "unlabelled" in needs and plan.unlabelled:
        numbers["unlabelled"] = [plan.unlabelled, inputs.unlabelled]
    for need in needs:
        if (key := f"{scope}.{need}") in plan.settings:
            numbers[key] = plan.settings[key]
    return {**numbers, "stages": list(stages)}


_IDENTITIES: dict[Callable[..., Any], str] = {}


def stage_function(identity: str) -> Callable[[Function], Function]:
    """Decorate a stage's function that has moved, so that stages in existing caches are still found.

    identity: the "module:qualname" that it had before it moved.
    """

    def keep(fn: Function) -> Function:
        _IDENTITIES[fn] = identity
        return fn

    return keep


def function_name(fn: Callable[..., Any]) -> str:
    """Return "module:qualname" of a stage's function, or the identity that `stage_function` sets.

    Keywords bound by `functools.partial` are part of it; positional arguments are not.
    """
    if isinstance(fn, functools.partial):
        bound = ",".join(f"{key}={value!r}" for key, value in sorted(fn.keywords.items()))
        return f"{function_name(fn.func)}({bound})"
    return _IDENTITIES.get(fn) or f"{fn.__module__}:{fn.__qualname__}"


class TrainedModules:
    """Which stage trained each module last."""

    def __init__(self) -> None:
        self._rows: list[tuple[nn.Module, str]] = []

    def add(self, module: nn.Module, key: str) -> None:
        """Record that the stage of `key` trained or restored `module`."""
        self._rows.append((module, key))

    def key(self, module: nn.Module, stage: str) -> str:
        """Return the key of the last stage that trained `module`, or a module that contains it.

        Raises ElrError, naming the asking `stage`, if none did.
        """
        for known, key in reversed(self._rows):
            if any(part is module for part in known.modules()):
                return key
        raise ElrError(
            f"stage '{stage}' needs a {type(module).__name__} that no stage has trained; train it in an earlier stage"
        )
