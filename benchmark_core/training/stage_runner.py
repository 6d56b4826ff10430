"""The seam between a method's `fit` and its execution: `Training` asks, a `StageRunner` trains, times or counts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from benchmark_core.clips.batch import Batch, View
from benchmark_core.clips.derived import DerivedViews
from benchmark_core.clips.enhanced import Enhancer
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Views
from benchmark_core.specs import NOTHING, Value
from benchmark_core.training.averaging import step
from benchmark_core.training.keys import StageKey
from benchmark_core.training.seeds import generator


class Stateful(Protocol):
    """Anything with torch's two state methods: modules, optimizers, recipes."""

    def state_dict(self) -> Any:
        """Return the state."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore the state."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One call of `training.stage(...)`: `fn(module)` trains `module` in place. Equal keys mean equal results.

    scored: `module` is a recognizer for the views that are tested, so that its epochs can be scored.
    """

    key: StageKey
    fn: Callable[[Any], object]
    module: Any
    scored: bool = False


@dataclass(frozen=True, kw_only=True)
class ViewRequest:
    """One call of `training.views(...)`.

    low, high: which views a batch holds. unlabelled: of the unlabelled clips instead of the training clips.
    sampling: instead of the plan's. whole: not augmented, in listed order. most: at most so many of the clips.
    enhancer: a trained, frozen enhancer whose output is stored and read instead of the low views.
    """

    low: bool
    high: bool
    unlabelled: bool = False
    sampling: Sampling | None = None
    whole: bool = False
    most: int | None = None
    enhancer: Enhancer | None = None


@dataclass(frozen=True, kw_only=True)
class Derivation:
    """One call of `training.derive(...)`.

    fn: a batch of one clip -> (K, *shape). modules: what `fn` uses; stages: the keys of the stages that trained them.
    numbers: further numbers that the values depend on.
    """

    name: str
    fn: Callable[[Batch], Tensor]
    views: Views
    modules: Sequence[nn.Module]
    stages: Sequence[str]
    shape: tuple[int, ...]
    revision: int
    numbers: Mapping[str, Value] = field(default_factory=lambda: NOTHING)


class StageRunner(ABC):
    """Execute what a method asks of `Training`.

    Real training (`StageTrainer`), time estimates and counts of MACs differ in the four abstract operations
    alone. The other operations do nothing unless a runner records them.

    seed: the plan's. notes: sentences for the record. stages: one row per finished stage, in order of use; `earlier` is
    the part of its `seconds` that other processes spent while this one did not wait for them.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.stages: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self._rng = generator(seed, "", "rng")

    @abstractmethod
    def run_stage(self, stage: Stage) -> None:
        """Call `stage.fn(stage.module)`, or restore what an equal stage left."""

    @abstractmethod
    def views(self, request: ViewRequest) -> Views:
        """Return the views that `request` describes."""

    @abstractmethod
    def epochs(self, views: Views | DerivedViews, n: int, *, state: Sequence[Stateful], batch: int) -> Iterator[Batch]:
        """Yield batches of `batch` clips on the device for `n` epochs; modules in `state` are in training mode."""

    @abstractmethod
    def derive(self, derivation: Derivation) -> DerivedViews:
        """Return views of what `derivation.fn` computes from each clip."""

    def step(self, optimiser: Optimizer, *, items: int | None = None, clip_norm: float = 0.0) -> None:
        """Step an optimizer; see `RunStages.step`."""
        step(optimiser, items=items, clip_norm=clip_norm)

    def whole(self, values: View) -> View:
        """Return the rows of all clips of the present batch; see `RunStages.whole`."""
        return values

    def log(self, values: Mapping[str, Tensor | float]) -> None:  # noqa: B027 - an estimate needs no metrics
        """Take one step's metrics."""

    def note(self, text: str) -> None:  # noqa: B027 - an estimate leaves no record
        """Take a sentence for the record."""

    @property
    def history(self) -> Sequence[Mapping[str, float]]:
        """Metrics of the running stage's finished epochs; empty outside a stage and in an estimate."""
        return ()

    @property
    def rng(self) -> np.random.Generator:
        """numpy's generator for random choices of the running stage."""
        return self._rng
