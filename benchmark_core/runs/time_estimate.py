"""Estimate training time: run the method's own `fit`, with a few timed steps of each loop on random views."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.clips.enhanced import AT_ONCE, Enhancer
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Batch
from benchmark_core.errors import ElrError
from benchmark_core.plans.budgets import at_budget
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Reporter, duration
from benchmark_core.runs.random_views import CLIPS, NATIVE, RandomViews
from benchmark_core.specs import KINDS
from benchmark_core.training.external_teacher import ExternalTeacher
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.seeds import seeded
from benchmark_core.training.stage_folder import StageFolder
from benchmark_core.training.stage_runner import Derivation, Stage, StageRunner, Stateful, ViewRequest
from benchmark_core.training.training import Training
from benchmark_core.training.training_loop import finish_state, prepare_state

STEPS = 3  # per loop; the first warms up
HOUR = 3600.0
# Placeholders for digests until clips are decoded. A key that contains them is never in the cache.
NO_INPUTS = StageInputs(clips="", low="", high="", crop="", owners=dict.fromkeys(KINDS, ""))


class StageTimer(StageRunner):
    """A `StageRunner` whose loops run `STEPS` steps, and which extrapolates their time.

    clips: number of training clips. unlabelled, hr_source: numbers of those extra clips; by default `clips`.
    frames: mean frames per clip; by default those of one view.
    cache: folder in which stages are looked up; None: no stage counts as cached.
    seconds: estimated seconds per stage or derived data set; 0 if cached.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        components: Components,
        device: torch.device,
        cache: Path | None,
        clips: int,
        unlabelled: int | None = None,
        hr_source: int | None = None,
        frames: int | None = None,
    ) -> None:
        super().__init__(plan.seed)
        self.seconds: dict[str, float] = {}
        self._plan, self._components, self._device, self._cache = plan, components, device, cache
        self._clips, self._unlabelled, self._hr_source = clips, unlabelled, hr_source
        self._name = ""  # of the running stage
        self._cached: set[str] = set()  # keys of stages
        self._enhanced: set[tuple[str, int | None]] = set()  # (stage key, other clips) whose time is in `seconds`
        sampling = Sampling.parse(plan.sampling)
        self._frames = frames or sampling.k * sampling.t
        self._intervals = len(sampling.numbers(self._frames, None)[0])

    def run_stage(self, stage: Stage) -> None:
        """Run `fn` briefly, unless an equal stage is cached."""
        name = self._name = stage.key.name
        self.seconds[name] = 0.0
        if self._cache is not None and StageFolder(self._cache, stage.key).finished() is not None:
            self._cached.add(stage.key.digest)
            return
        with seeded("rehearsal"):
            stage.fn(stage.module)

    def views(self, request: ViewRequest) -> Any:
        """Return random views; add the time to enhance all their clips if the enhancer's output is stored."""
        others = (
            self._unlabelled
            if request.unlabelled
            else self._hr_source
            if request.high and self._plan.hr_source
            else None
        )
        clips = self._clips if others is None else others
        clips = clips if request.most is None else min(clips, request.most)
        if request.enhancer is not None:
            self._time_enhancer(request.enhancer, clips, others)
        return RandomViews(plan=self._plan, components=self._components, count=clips, request=request)

    def epochs(self, views: Any, n: int, *, state: Sequence[Stateful], batch: int) -> Iterator[Batch]:
        """Yield `STEPS` batches; extrapolate the whole loop from the fastest step after the first."""
        prepare_state(state, n - 1)
        took = []
        for _ in range(STEPS):
            made = views.batch(self._device)
            began = time.monotonic()
            yield made
            self._synchronize()
            took.append(time.monotonic() - began)
        finish_state(state)
        self.seconds[self._name] += min(took[1:]) / CLIPS * n * views.steps(batch) * min(batch, len(views))

    def derive(self, derivation: Derivation) -> Any:
        """Return random values of the right shape; extrapolate the time from one clip of one view."""
        views: Any = derivation.views
        if not derivation.stages or not self._cached.issuperset(derivation.stages):
            for module in derivation.modules:
                module.eval()
            clip = _first_clip(views.batch(self._device))
            times = self._intervals / clip.mask.shape[1] * len(views)
            self.extrapolate(derivation.name, lambda: derivation.fn(clip), times)
        return dataclasses.replace(views, derived=derivation.shape, intervals=self._intervals)

    def extrapolate(self, name: str, compute: Callable[[], object], times: float) -> None:
        """Add the time of `times` calls of `compute` to `seconds`, extrapolated from the second of two calls."""
        took = 0.0
        for _ in range(2):
            began = time.monotonic()
            with torch.inference_mode():
                compute()
            self._synchronize()
            took = time.monotonic() - began
        self.seconds[name] = self.seconds.get(name, 0.0) + took * times

    def _time_enhancer(self, enhancer: Enhancer, clips: int, others: int | None) -> None:
        """Extrapolate, once per set of clips, the time to enhance all their frames.

        others: the number of clips if they are not the training clips.
        """
        if enhancer.stage in self._cached or (enhancer.stage, others) in self._enhanced:
            return
        self._enhanced.add((enhancer.stage, others))
        low = self._components.degradation.low or (NATIVE, NATIVE)
        at_once = AT_ONCE if enhancer.frames == 1 else enhancer.frames
        noise = np.zeros((at_once, 3, *low), np.uint8)
        frames = -(-self._frames // enhancer.frames) * enhancer.frames  # rounded up to whole windows
        self.extrapolate("enhanced clips", lambda: enhancer(noise), frames / at_once * clips)

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def estimate_times(
    plan: Plan,
    components: Components,
    *,
    clips: int,
    device: torch.device,
    cache: Path,
    inputs: StageInputs | None = None,
    refit: bool = False,
    unlabelled: int | None = None,
    hr_source: int | None = None,
    frames: int | None = None,
    external_teacher: ExternalTeacher | None = None,
) -> dict[str, float]:
    """Return estimated training seconds on `device` per stage or derived data set; 0 if it is cached.

    Decoding and testing are not included. The arguments are those of `StageTimer`. Without `inputs`, which need decoded
    clips, no stage counts as cached; the estimate then needs only the number of clips.
    """
    look_up = inputs is not None and not refit
    timer = StageTimer(
        plan=plan,
        components=components,
        device=device,
        cache=cache if look_up else None,
        clips=clips,
        unlabelled=unlabelled,
        hr_source=hr_source,
        frames=frames,
    )
    training = Training(
        plan=plan,
        components=components,
        inputs=inputs or NO_INPUTS,
        device=device,
        runner=timer,
        external_teacher=external_teacher,
    )
    components.method.load(components.method.fit)(training)
    return {name: seconds / max(1, plan.processes) for name, seconds in timer.seconds.items()}


def report_time_estimate(
    plan: Plan, components: Components, catalog: Catalog, *, reporter: Reporter, **asked: Any
) -> None:
    """Print how long training will take and, above an hour, how long a shorter budget would take.

    asked: arguments of `estimate_times`. Nothing is printed for a shorter budget that cannot be combined with the
    plan's other settings, such as weights of another backbone.
    """
    stages = estimate_times(plan, components, **asked)
    total = sum(stages.values())
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in stages.items())
    unless = "" if asked.get("inputs") else "; stages in the cache take no time"
    if not total and not unless:
        reporter.say("no stage has to be trained")
        return
    reporter.say(f"training will take about {duration(total)} on this machine ({parts}{unless})")
    shorter = {"paper": "small", "small": "smoke"}.get(plan.budget)
    if total > HOUR and shorter in components.method.budgets:
        with suppress(ElrError):
            other = at_budget(catalog, plan, str(shorter))
            # The external teacher may be too large for the shorter budget, which then trains its own.
            asked = {**asked, "external_teacher": None}
            seconds = sum(estimate_times(other, components_of(catalog, other), **asked).values())
            reporter.say(f"--budget {shorter} would take about {duration(seconds)}")


def _first_clip(batch: Batch) -> Batch:
    low, high = (None if view is None else view[:1] for view in (batch.low, batch.high))
    box = None if batch.box is None else batch.box[:1]
    return dataclasses.replace(
        batch, low=low, high=high, mask=batch.mask[:1], box=box, target=batch.target[:1], ids=batch.ids[:1]
    )
