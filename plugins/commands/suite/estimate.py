"""Estimate the cost of a plan from its structure: no clip is read and nothing is computed.

The method's own `fit` runs on meta tensors, one step of each loop, under `WorkCounter`. Convolutions and matrix
products of all networks are counted, forward and backward. Normalisation, interpolation, losses, the optimizer,
decoding, testing and data derived from all frames of a clip are not. `elrbench cost` counts the deployed network in
full.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from benchmark_core.catalog import Catalog
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.clips.views import Batch
from benchmark_core.cost.macs import WorkCounter, count_work
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.cost.structure import describe_plan, structure_key
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import owners_of
from benchmark_core.runs.random_views import CLIPS, RandomViews
from benchmark_core.training.keys import StageInputs, StageKey
from benchmark_core.training.stage_runner import Derivation, Stage, StageRunner, Stateful, ViewRequest
from benchmark_core.training.training import Training
from benchmark_core.training.training_loop import finish_state, prepare_state
from elrbench_plugins.commands.suite.counts import Estimate, training_clips

META = torch.device("meta")
NEEDS_VALUES = (RuntimeError, NotImplementedError, TypeError, ValueError)  # of a method that reads values of tensors


class Estimator:
    """Estimate several plans; stages and structures that they share are counted once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._stages: dict[str, float] = {}
        self._deployed: dict[str, tuple[int, float]] = {}

    def of(self, plan: Plan, components: Components) -> Estimate:
        """Estimate one run: one seed and one fold."""
        params, clip_macs, pool = 0, 0.0, False
        stages: dict[str, float] = {}
        unknown = ""
        clips = training_clips(plan, components)
        for stream in plan.streams:
            structure = structure_key(describe_plan(stream, components))
            if structure not in self._deployed:
                self._deployed[structure] = _deployed(stream, components)
            params += self._deployed[structure][0]
            clip_macs += self._deployed[structure][1] * ClipViews.parse(stream.test_views).count
            if clips is None:
                unknown = f"the number of training clips of {plan.dataset} is not known without its folder"
                continue
            try:
                counter = count_stages(stream, components, self.catalog, clips, self._stages)
            except NEEDS_VALUES as error:
                unknown = f"method '{plan.method}' cannot run on tensors without data: {_line(error)}"
                continue
            stages |= counter.macs
            pool |= counter.pool_left_out
        return Estimate(params=params, clip_macs=clip_macs, stages=stages, unknown=unknown, pool=pool)


class StageCounter(StageRunner):
    """A `StageRunner` that counts the MACs of one step of each loop, on tensors without content.

    known: MACs by stage key, shared by several plans. macs: those of this plan's stages. order: their keys.
    clips: passes over a clip by stage key, of the stages that were counted here.
    pool_left_out: whether loops over unlabelled clips, whose number is not known, were counted as 0.
    """

    def __init__(self, *, plan: Plan, components: Components, clips: int, known: dict[str, float]) -> None:
        super().__init__(plan.seed)
        self.macs: dict[str, float] = {}
        self.order: list[StageKey] = []
        self.clips: dict[str, float] = {}
        self.pool_left_out = False
        self._plan, self._components, self._clips = plan, components, clips
        self._known = known
        self._counted = ""  # key of the running stage

    def run_stage(self, stage: Stage) -> None:
        """Count `fn`, unless an equal stage has been counted."""
        key = stage.key.digest
        self.order.append(stage.key)
        if key not in self._known:
            self._known[key] = 0.0
            self._counted = key
            try:
                stage.fn(stage.module)
            except BaseException:
                del self._known[key]
                raise
        self.macs[key] = self._known[key]

    def views(self, request: ViewRequest) -> Any:
        """Return views without content; there are 0 unlabelled clips."""
        clips = 0 if request.unlabelled else self._clips
        clips = clips if request.most is None else min(clips, request.most)
        return RandomViews(plan=self._plan, components=self._components, count=clips, request=request)

    def epochs(self, views: Any, n: int, *, state: Sequence[Stateful], batch: int) -> Iterator[Batch]:
        """Yield one batch; extrapolate the whole loop from it."""
        prepare_state(state, n - 1)
        made = views.batch(META)
        with WorkCounter() as counter:
            yield made
        finish_state(state)
        passes = n * views.steps(batch) * min(batch, len(views))
        self._known[self._counted] += counter.products / CLIPS * passes
        self.clips[self._counted] = self.clips.get(self._counted, 0.0) + passes
        self.pool_left_out |= bool(views.request.unlabelled)

    def derive(self, derivation: Derivation) -> Any:
        """Return values of the right shape; computing them is not counted."""
        views: Any = derivation.views
        sampling = Sampling.parse(self._plan.sampling)
        intervals = len(sampling.numbers(sampling.k * sampling.t, None)[0])
        return dataclasses.replace(views, derived=derivation.shape, intervals=intervals)


def count_stages(
    plan: Plan,
    components: Components,
    catalog: Catalog,
    clips: int,
    known: dict[str, float],
    inputs: StageInputs | None = None,
) -> StageCounter:
    """Run the method's `fit` on tensors without content; return the counter, which holds the stages.

    clips: number of training clips. known: see `StageCounter`. inputs: what the stages read; by default, digests of
    clips are empty, so that the keys are not those of the cache.
    Raises RuntimeError, NotImplementedError, TypeError or ValueError if the method needs values of tensors.
    """
    counter = StageCounter(plan=plan, components=components, clips=clips, known=known)
    training = Training(
        plan=plan,
        components=components,
        inputs=inputs or _inputs_without_clips(plan, components, catalog),
        device=META,
        runner=counter,
    )
    components.method.load(components.method.fit)(training)
    return counter


def _inputs_without_clips(plan: Plan, components: Components, catalog: Catalog) -> StageInputs:
    options = components.options(plan, "degradation")
    stored_views = view_plan(components.degradation, options, size=plan.size, high_size=plan.high_size)
    return StageInputs(
        clips="",
        low=stored_views.low.key if stored_views.low else "",
        high=stored_views.high.key if stored_views.high else "",
        crop=stored_views.crop,
        owners={kind: owner.identity for kind, owner in owners_of(catalog, components).items()},
    )


def _deployed(plan: Plan, components: Components) -> tuple[int, float]:
    """Return the number of parameters and the MACs of a clip."""
    high = components.method.oracle
    recognizer = _without_content(plan, components, high=high, head=None).eval()
    request = ViewRequest(low=not high, high=high)
    views = RandomViews(plan=plan, components=components, count=1, request=request)
    batch = views.batch(META)
    seen = batch.high if high else batch.low
    assert seen is not None
    return count_parameters(recognizer, seen)["total"], count_work(recognizer, seen, batch.mask).products / CLIPS


def _without_content(plan: Plan, components: Components, *, high: bool, head: str | None) -> Recognizer:
    with META:
        return recognizer_of(plan.untrained, components, high=high, head=head)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
