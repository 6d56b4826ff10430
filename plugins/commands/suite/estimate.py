"""Estimate the cost of a plan from its structure: no clip is read and nothing is computed.

The method's own `fit` runs on meta tensors, one step of each loop, under `WorkCounter`. Convolutions and matrix
products of all networks are counted, forward and backward. Normalisation, interpolation, losses, the optimizer,
decoding, testing and data derived from all frames of a clip are not. `elrbench cost` counts the deployed network in
full.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.formats import view_plan
from benchmark_core.clips.views import Batch
from benchmark_core.cost.macs import WorkCounter, count_work
from benchmark_core.cost.parameters import count_parameters
from benchmark_core.cost.structure import describe_plan, structure_key
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.provenance import owners_of
from benchmark_core.runs.time_estimate import CLIPS, RandomViews, TimeEstimator
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.training_loop import Stateful
from elrbench_plugins.commands.suite.counts import Estimate, training_clips

META = torch.device("meta")


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
            params, clip_macs = params + self._deployed[structure][0], clip_macs + self._deployed[structure][1]
            if clips is None:
                unknown = f"the number of training clips of {plan.dataset} is not known without its folder"
                continue
            try:
                counting = _count(stream, components, self.catalog, clips, self._stages)
            except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:  # needs values of tensors
                unknown = f"method '{plan.method}' cannot run on tensors without data: {_line(error)}"
                continue
            stages |= counting.macs
            pool |= counting.pool_left_out
        return Estimate(params=params, clip_macs=clip_macs, stages=stages, unknown=unknown, pool=pool)


class _Counting(TimeEstimator):
    """A dry run on meta tensors. macs: by stage key. pool_left_out: loops over unlabelled clips were left out."""

    def __init__(self, *, known: dict[str, float], **asked: Any) -> None:
        super().__init__(**asked, device=META, cache=Path(), pool=0)
        self.macs: dict[str, float] = {}
        self.pool_left_out = False
        self._known = known
        self._counted = ""

    def _take_weights(self, module: Any, name: str) -> None:
        """Load nothing: meta tensors hold no weights."""

    def stage(
        self,
        name: str,
        fn: Callable[[Any], object],
        module: Any,
        *,
        needs: Sequence[str | nn.Module] = (),
        revision: int = 1,
    ) -> Any:
        """Count `fn` unless an equal stage has been counted."""
        key = self._key(name, fn, module, needs, revision).digest
        self._fitted.add(module, key)
        if key not in self._known:
            self._known[key] = 0.0
            self._counted = key
            try:
                fn(module)
            except BaseException:
                del self._known[key]
                raise
        self.macs[key] = self._known[key]
        return module

    def epochs(self, views: Any, n: int, *, state: Sequence[Stateful], batch: int | None = None) -> Iterator[Batch]:
        """Yield one batch and scale its count to the whole loop."""
        size = batch or int(self.options["batch"])
        for item in state:
            if isinstance(item, nn.Module):
                item.train()
        made = views.batch(self.device)
        with WorkCounter() as counter:
            yield made
        self._figures.clear()
        per_clip = counter.products / CLIPS
        self._known[self._counted] += per_clip * n * views.steps(size) * min(size, len(views))
        self.pool_left_out |= bool(views.unlabelled)

    def _extrapolate(self, name: str, compute: Callable[[], object], times: float) -> None:
        """Not counted."""

    def autocast(self) -> AbstractContextManager[None]:
        """Do nothing: precision does not change a count."""
        return contextlib.nullcontext()

    def _build(self, role: str, head: str | None, *, high: bool) -> Recognizer:
        fitted = None if high else self._fit_enhancer()
        module = _without_content(self.plan, self.components, high=high, head=head)
        if fitted is not None:
            module.enhancer.requires_grad_(bool(self.components.options(self.plan, "enhancer").get("train", False)))
        return module


def _count(plan: Plan, components: Components, catalog: Catalog, clips: int, known: dict[str, float]) -> _Counting:
    stock = view_plan(components.degradation, components.options(plan, "degradation"), size=plan.size)
    inputs = StageInputs(
        clips="",
        low=stock.low.key if stock.low else "",
        high=stock.high.key if stock.high else "",
        crop=stock.crop,
        owners={kind: owner.identity for kind, owner in owners_of(catalog, components).items()},
    )
    counting = _Counting(known=known, clips=clips, plan=plan, components=components, inputs=inputs)
    components.method.load(components.method.fit)(counting)
    return counting


def _deployed(plan: Plan, components: Components) -> tuple[int, float]:
    """Return the number of parameters and the multiply-adds of a clip."""
    high = components.method.oracle
    recognizer = _without_content(plan, components, high=high, head=None).eval()
    views = RandomViews(plan=plan, components=components, clips=1, low=not high, high=high)
    batch = views.batch(META)
    seen = batch.high if high else batch.low
    assert seen is not None
    return count_parameters(recognizer, seen)["total"], count_work(recognizer, seen, batch.mask).products / CLIPS


def _without_content(plan: Plan, components: Components, *, high: bool, head: str | None) -> Recognizer:
    with META:
        return recognizer_of(dataclasses.replace(plan, weights="scratch"), components, high=high, head=head)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
