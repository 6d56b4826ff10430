"""How long a plan will train: its method's own `fit`, a few timed steps of each loop on random views, nothing kept."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.clips.enhanced import AT_ONCE, Enhanced, Enhancer
from benchmark_core.clips.modality import channels, kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Batch, View
from benchmark_core.errors import ElrError
from benchmark_core.plans.budgets import at_budget
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Reporter, Silent
from benchmark_core.training.external_teacher import ExternalTeacher, train_except_frozen
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.seeds import seeded
from benchmark_core.training.stages import StageFolder
from benchmark_core.training.training import Training
from benchmark_core.training.training_loop import Stateful

CLIPS = 4  # a step; its time is scaled to the plan's batch, so that a paper's batch need not fit a small machine
STEPS = 3  # the first warms up
HOUR = 3600.0
NATIVE = 48  # pixels of a natively low clip's side


@dataclass(frozen=True, kw_only=True)
class RandomViews:
    """As many steps as the real views, filled with noise of the right shapes."""

    plan: Plan
    components: Components
    clips: int
    low: bool
    high: bool
    unlabelled: bool = False
    sampling: Sampling | None = None  # instead of the plan's
    enhanced: bool = False
    train: bool = True
    derived: tuple[int, ...] | None = None  # shape of an interval's values, instead of views
    intervals: int = 1  # of a clip, where they are derived

    def __len__(self) -> int:
        return self.clips

    def steps(self, batch: int) -> int:
        """As `Views.steps` in training."""
        return max(1, self.clips // batch)

    def batch(self, device: torch.device) -> Batch:
        """`CLIPS` clips."""
        sampling = self.sampling or Sampling.parse(self.plan.sampling)
        classes = len(self.components.dataset.classes)
        at_once = 1 if self.sampling or kind(self.plan.modality) == "flow" else self.components.enhancer.frames

        def noise(size: tuple[int, int] | None, frames: int, side: int = NATIVE) -> View:
            shape = (sampling.k, channels(self.plan.modality), frames)
            if size is None:
                return [torch.rand(*shape, side + clip, side, device=device) for clip in range(CLIPS)]
            return torch.rand(CLIPS, *shape, *size, device=device)

        if self.derived is not None:
            mask = torch.ones(CLIPS, self.intervals, device=device)
            values = torch.rand(CLIPS, self.intervals, *self.derived, device=device)
            ids = tuple(map(str, range(CLIPS)))
            target = self.target(classes, device)
            return Batch(low=None, high=None, mask=mask, box=None, target=target, ids=ids, derived=values)
        at_size = self.enhanced or kind(self.plan.modality) == "flow"
        low = self.plan.size if at_size else self.components.degradation.low
        view = noise(low, sampling.t if self.enhanced else sampling.widened(at_once)) if self.low else None
        return Batch(
            low=view.as_subclass(Enhanced) if self.enhanced and isinstance(view, Tensor) else view,
            high=noise(self.plan.size if low else None, sampling.t, max(NATIVE, *self.plan.size))
            if self.high
            else None,
            mask=torch.ones(CLIPS, sampling.k, device=device),
            box=torch.tensor([0.0, 0.1, 0.9, 0.9, 1.0], device=device).expand(CLIPS, 5),
            target=self.target(classes, device),
            ids=tuple(map(str, range(CLIPS))),
        )

    def target(self, classes: int, device: torch.device) -> Tensor:
        """As `Views` has it, of clips with labels and without."""
        if self.components.dataset.task == "multi-label":
            labels = torch.rand(CLIPS, classes, device=device).round()
            return torch.zeros_like(labels) if self.unlabelled else labels
        numbers = torch.arange(CLIPS, device=device)
        return torch.full_like(numbers, -1) if self.unlabelled else numbers % classes


class TimeEstimator(Training):
    """A `Training` whose loops run `STEPS` steps. clips, pool, source: how many train, clips if not told.

    frames: of a clip, on average; those of one view if not told. `seconds`: stage, or what is derived, -> what it would
    take; 0 where it is cached, which is taken of all that cached stages alone have made.
    """

    def __init__(
        self,
        *,
        clips: int,
        pool: int | None = None,
        source: int | None = None,
        frames: int | None = None,
        **asked: Any,
    ) -> None:
        def views(
            *,
            low: bool,
            high: bool,
            seed: int,
            unlabelled: bool = False,
            sampling: Sampling | None = None,
            enhancer: Enhancer | None = None,
            whole: bool = False,
        ) -> Any:
            others = pool if unlabelled else source if high and self.plan.hr_source else None
            count = clips if others is None else others
            if enhancer is not None:
                self._enhance(enhancer, count, others)
            return RandomViews(
                plan=self.plan,
                components=self.components,
                clips=count,
                low=low,
                high=high,
                unlabelled=unlabelled,
                sampling=sampling,
                enhanced=enhancer is not None,
                train=not whole,
            )

        super().__init__(**asked, make_views=views, reporter=Silent())
        self.seconds: dict[str, float] = {}
        self._name = ""
        self._cached: set[str] = set()  # keys of stages
        self._made: set[tuple[str, int | None]] = set()  # of which clips an enhancer's frames are reckoned
        sampling = Sampling.parse(self.plan.sampling)
        self._frames = frames or sampling.k * sampling.t
        self._intervals = len(sampling.numbers(self._frames, None)[0])

    def stage(
        self,
        name: str,
        fn: Callable[[Any], object],
        module: Any,
        *,
        needs: Sequence[str | nn.Module] = (),
        revision: int = 1,
    ) -> Any:
        """Runs `fn` briefly, unless an equal stage is cached."""
        key = self._key(name, fn, module, needs, revision)
        self._fitted.add(module, key.digest)
        self._name = name
        self.seconds[name] = 0.0
        if StageFolder(self._cache, key).finished() is None or self._refit:
            with seeded("rehearsal"):
                fn(module)
        else:
            self._cached.add(key.digest)
        return module

    def derive(
        self, name: str, fn: Callable[[Batch], Tensor], *, of: Any, by: Any, shape: tuple[int, ...], revision: int = 1
    ) -> Any:
        """Noise of its shape; what making them takes is reckoned from one clip of one view."""
        if not all(self._fitted.key(module, name) in self._cached for module in by):
            for module in by:
                module.eval()
            one = _first_clip(of.batch(self.device))
            self._extrapolate(name, lambda: fn(one), self._intervals / one.mask.shape[1] * len(of))
        return dataclasses.replace(of, derived=shape, intervals=self._intervals)

    def _enhance(self, enhancer: Enhancer, clips: int, others: int | None) -> None:
        """Reckons what bringing all frames of so many clips to network size takes, once. others: as `clips`, if set."""
        if enhancer.stage in self._cached or (enhancer.stage, others) in self._made:
            return
        self._made.add((enhancer.stage, others))
        low = self.components.degradation.low or (NATIVE, NATIVE)
        at_once = AT_ONCE if enhancer.frames == 1 else enhancer.frames
        noise = np.zeros((at_once, 3, *low), np.uint8)
        self._extrapolate(
            "enhanced clips",
            lambda: enhancer(noise),
            -(-self._frames // enhancer.frames) * enhancer.frames / at_once * clips,
        )

    def _extrapolate(self, name: str, compute: Callable[[], object], times: float) -> None:
        """Adds to `seconds` what computing it so often takes. The first of two warms up."""
        took = 0.0
        for _ in range(2):
            began = time.monotonic()
            with torch.inference_mode():
                compute()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            took = time.monotonic() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + took * times

    def epochs(self, views: Any, n: int, *, state: Sequence[Stateful], batch: int | None = None) -> Iterator[Batch]:
        """`STEPS` batches, timed; the loop's whole length is reckoned from the quickest after the first."""
        size = batch or int(self.options["batch"])
        for item in state:
            if isinstance(item, nn.Module):
                train_except_frozen(item)
        took = []
        for _ in range(STEPS):
            made = views.batch(self.device)
            began = time.monotonic()
            yield made
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
            took.append(time.monotonic() - began)
        self._figures.clear()
        per_clip = min(took[1:]) / CLIPS
        self.seconds[self._name] += per_clip * n * views.steps(size) * min(size, len(views))


def estimate_times(
    plan: Plan,
    components: Components,
    *,
    clips: int,
    inputs: StageInputs,
    device: torch.device,
    cache: Path,
    refit: bool = False,
    pool: int | None = None,
    source: int | None = None,
    frames: int | None = None,
    given: ExternalTeacher | None = None,
) -> dict[str, float]:
    """Stage -> seconds that it would train for on `device`. An estimate: decoding and testing are not in it.

    What is derived between stages is, by its name. clips, pool, source: how many train, of the dataset, the pool and
    the high source; as many as clips if not told. frames: of a clip, on average.
    """
    rehearsal = TimeEstimator(
        clips=clips,
        pool=pool,
        source=source,
        frames=frames,
        plan=plan,
        components=components,
        inputs=inputs,
        device=device,
        cache=cache,
        refit=refit,
        given=given,
    )
    components.method.load(components.method.fit)(rehearsal)
    return rehearsal.seconds


def report_time_estimate(
    plan: Plan, components: Components, catalog: Catalog, *, reporter: Reporter, **asked: Any
) -> None:
    """Says how long training will take; above an hour, what a shorter budget would take, where it goes with the rest.

    What is asked for may not: weights of the longer budget's backbone, say. That is no mistake in the plan.
    """
    stages = estimate_times(plan, components, **asked)
    total = sum(stages.values())
    parts = ", ".join(f"{name} {_span(seconds)}" for name, seconds in stages.items())
    reporter.say(f"training will take about {_span(total)} here ({parts})")
    shorter = {"paper": "small", "small": "smoke"}.get(plan.budget)
    if total > HOUR and shorter in components.method.budgets:
        with suppress(ElrError):
            other = at_budget(catalog, plan, str(shorter))
            # A fitted teacher may be too large for the shorter budget: its own teacher is trained there.
            seconds = sum(estimate_times(other, components_of(catalog, other), **{**asked, "given": None}).values())
            reporter.say(f"--budget {shorter} would take about {_span(seconds)}")


def _first_clip(batch: Batch) -> Batch:
    low, high = (None if view is None else view[:1] for view in (batch.low, batch.high))
    box = None if batch.box is None else batch.box[:1]
    return dataclasses.replace(
        batch, low=low, high=high, mask=batch.mask[:1], box=box, target=batch.target[:1], ids=batch.ids[:1]
    )


def _span(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
