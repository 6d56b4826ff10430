"""The stages of each run of a suite, with the keys that they have in the cache, before anything is trained."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmark_core.catalog import Catalog
from benchmark_core.clips.store import ClipStore
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.provenance import owners_of
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.fold_data import stage_inputs
from benchmark_core.runs.lists import list_data
from benchmark_core.runs.preview import CountedClips, count_clips
from benchmark_core.training.keys import StageKey
from elrbench_plugins.commands.suite.cluster.planned_stage import PlannedStage
from elrbench_plugins.commands.suite.counts import training_clips
from elrbench_plugins.commands.suite.estimate import count_stages

# Stand for digests of clips while a row is walked once; `_rekey` replaces them for each fold.
CLIPS, UNLABELLED, SOURCE, HELD_OUT = ("\0clips", "\0unlabelled", "\0source", "\0held out")
DATA = ("dataset", "protocol", "fold", "classes", "holdout", "unlabelled", "high_source")  # what decides the clips


class StagePlanner:
    """Plans the stages of runs. The method of a row is walked once; its seeds and folds differ in numbers alone.

    unknown: methods whose stages cannot be known before training. Their runs never wait, and may meet at a lock.
    guess: take the number of training clips that a dataset states for its default options, if it states none for the
        plan's. guessed: the datasets for which that was done.
    """

    def __init__(self, catalog: Catalog, *, guess: bool = False) -> None:
        self.catalog = catalog
        self.guess = guess
        self.guessed: dict[str, None] = {}
        self.unknown: dict[str, None] = {}
        self._macs: dict[str, float] = {}
        self._passes: dict[str, float] = {}
        self._walked: dict[str, list[tuple[StageKey, float, float]]] = {}
        self._clips: dict[tuple[Any, ...], CountedClips | None] = {}

    def stages(self, plan: Plan, context: RunContext | None = None) -> tuple[PlannedStage, ...]:
        """Return the stages in order of training; empty if they are unknown.

        context: where the clips are. Without it, or if they cannot be listed, the keys are not those of the cache,
        but equal stages still have equal keys.
        """
        components = components_of(self.catalog, plan)
        counted = None if context is None else self._counted(plan, components, context)
        found: list[PlannedStage] = []
        for stream in plan.streams:
            renamed: dict[str, str] = {}
            for key, macs, clips in self._walk(stream):
                own = _rekey(key, stream, counted, renamed)
                renamed[key.digest] = own.digest
                high = "high" in key.numbers
                found.append(PlannedStage(name=own.name, key=own.digest, macs=macs, clips=clips, high=high))
        return tuple(found)

    def _walk(self, plan: Plan) -> list[tuple[StageKey, float, float]]:
        """Return keys with stand-ins, MACs, and passes over clips of a plan's stages."""
        plan = dataclasses.replace(plan, seed=0)
        same = dataclasses.replace(plan, fold="").digest
        if same not in self._walked:
            components = components_of(self.catalog, plan)
            clips = self._training_clips(plan, components)
            owners = {kind: owner.identity for kind, owner in owners_of(self.catalog, components).items()}
            try:
                inputs = stage_inputs(
                    view_plan_of(plan, components),
                    owners,
                    clips=CLIPS,
                    unlabelled=UNLABELLED,
                    hr_source=SOURCE,
                    held_out=HELD_OUT,
                )
                counter = count_stages(plan, components, self.catalog, clips or 1, self._macs, inputs)
            except Exception:  # the method reads values of tensors, or has a bug, which the run itself will report
                self.unknown[plan.method] = None
                self._walked[same] = []
            else:
                self._passes |= counter.clips
                self._walked[same] = [
                    (key, math.nan if clips is None else counter.macs[key.digest], self._passes.get(key.digest, 0.0))
                    for key in counter.order
                ]
        return self._walked[same]

    def _training_clips(self, plan: Plan, components: Components) -> int | None:
        clips = training_clips(plan, components)
        stated = components.dataset.counts.get(plan.protocol, {}).get(plan.fold)
        if clips is None and self.guess and stated is not None and not plan.classes and not plan.holdout:
            self.guessed[plan.dataset] = None
            return stated[0]
        return clips

    def _counted(self, plan: Plan, components: Components, context: RunContext) -> CountedClips | None:
        own = {key: value for key, value in plan.settings.items() if key.startswith("dataset.")}
        same = (*(getattr(plan, name) for name in DATA), plan.keep, tuple(sorted(own.items())))
        if same not in self._clips:
            try:
                store = ClipStore(context.cache)
                self._clips[same] = count_clips(plan, list_data(plan, components, self.catalog, context), store)
                store.ensure((), ())  # keeps the digests of the files for the workers
            except ElrError:  # the run itself will say what is wrong
                self._clips[same] = None
        return self._clips[same]


def _rekey(key: StageKey, plan: Plan, counted: CountedClips | None, renamed: Mapping[str, str]) -> StageKey:
    """Return the key of the same stage for the plan's seed and fold. renamed: keys of the stages before it."""
    if counted is None:
        digests = {CLIPS: repr([getattr(plan, name) for name in DATA]), UNLABELLED: "", SOURCE: "", HELD_OUT: ""}
    else:
        digests = {
            CLIPS: counted.digest,
            UNLABELLED: counted.unlabelled_digest,
            SOURCE: counted.hr_source_digest,
            HELD_OUT: counted.held_out_digest,
        }

    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return renamed.get(value, digests.get(value, value))
        return [replaced(one) for one in value] if isinstance(value, Sequence) else value

    numbers = {name: replaced(value) for name, value in key.numbers.items()}
    own = {"seed": plan.seed, "fold": plan.fold}
    return dataclasses.replace(key, numbers={**numbers, **{name: own[name] for name in own if name in numbers}})
