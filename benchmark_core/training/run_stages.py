"""The stages of one run, as a method asks for them: keys, options, loops, derived data."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from benchmark_core.clips.batch import Batch, View
from benchmark_core.clips.derived import DerivedViews
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import Plan
from benchmark_core.specs import Value
from benchmark_core.training.batch_augmentation import BatchAugmentation
from benchmark_core.training.external_teacher import ExternalTeacher
from benchmark_core.training.keys import (
    OF_ENHANCERS,
    SAMPLING,
    VIEWS,
    StageInputs,
    StageKey,
    TrainedModules,
    function_name,
    stage_numbers,
)
from benchmark_core.training.named_options import NamedOptions
from benchmark_core.training.stage_runner import Derivation, Stage, StageRunner, Stateful


class RunStages:
    """Name, key and order the stages of one plan; a `StageRunner` executes them.

    options: the method's, or the enhancer's while the enhancer is trained. stages, notes: see `StageRunner`.
    classes: C. used_external_teacher: whether the method has asked for the external teacher that the plan names.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        inputs: StageInputs,
        options: Mapping[str, Value],
        device: torch.device,
        runner: StageRunner,
        classes: int,
        external_teacher: ExternalTeacher | None = None,
        neutral: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self.plan = plan
        self.inputs = inputs
        self.options = options
        self.device = device
        self.classes = classes
        self.stages = runner.stages
        self.notes = runner.notes
        self.used_external_teacher = False
        self._runner = runner
        self._external_teacher = external_teacher
        self._neutral = neutral  # "method" or "enhancer" -> names of options that do not change what is trained
        self._trained = TrainedModules()
        self._scope: Literal["method", "enhancer"] = "method"
        self._enhancer: nn.Module | None = None  # trained; its key is part of the keys of all stages on low views
        self._needs: frozenset[str] | None = None  # texts in the needs of the running stage; None outside stages
        self._teachers: list[nn.Module] = []  # networks of `Plan.of_teacher`
        self._deployable: list[nn.Module] = []  # recognizers that see what the run's recognizer sees

    @property
    def rng(self) -> np.random.Generator:
        """numpy's generator, seeded by the plan and the stage, and again at each epoch's start."""
        return self._runner.rng

    # -- stages

    def stage(
        self,
        name: str,
        fn: Callable[[Any], object],
        module: Any,
        *,
        needs: Sequence[str | nn.Module] = (),
        revision: int = 1,
    ) -> Any:
        """Train `module` by `fn(module)`, or restore it if an equal stage is in the cache. Returns `module`.

        needs: everything that the result depends on: "low", "high" and "unlabelled" for the views that `fn` reads,
            names of the method's options, and modules that earlier stages trained. An enhancer's stage names the
            enhancer's options, "classifier" if it is trained by one, and "sampling" if its views have the plan's
            sampling. Inside `fn`, reading another option raises ElrError unless the option is `neutral`, because the
            key would not distinguish its values.
        revision: raise it when what `fn` computes changes.
        """
        key = self._key(name, fn, module, needs, revision)
        texts = frozenset(need for need in needs if isinstance(need, str))
        options, outer = self.options, self._needs
        self.options = NamedOptions(options, name, texts | set(self._neutral.get(self._scope, ())))
        self._needs = texts
        try:
            self._runner.run_stage(Stage(key=key, fn=fn, module=module, scored=self._scored(module)))
        finally:
            self.options, self._needs = options, outer
        self._trained.add(module, key.digest)
        return module

    def teacher_stage(
        self,
        name: str,
        fn: Callable[[Any], object],
        module: Any,
        *,
        needs: Sequence[str | nn.Module] = (),
        revision: int = 1,
    ) -> Any:
        """Train the teacher like `stage`, or take the external teacher if the plan names one.

        An external teacher's weights are loaded into `module` and frozen. If the head of `module` has parameters that
        the external teacher lacks, such as a temporal attention module, `fn` trains those alone, in a stage that
        depends on the external teacher. Raises ElrError if the two networks differ in anything else.
        """
        if self._external_teacher is None:
            return self.stage(name, fn, module, needs=needs, revision=revision)
        complete = self._external_teacher.load_into(module)
        self.used_external_teacher = True
        seen = f" on {self.plan.teacher_frames} frames" if self.plan.teacher_frames else ""
        self._trained.add(module, f"{self._external_teacher.name}{seen}")
        if complete:
            return module.eval()
        return self.stage(name, fn, module, needs=(*needs, module), revision=revision)

    def _key(
        self, name: str, fn: Callable[[Any], object], module: Any, needs: Sequence[str | nn.Module], revision: int
    ) -> StageKey:
        texts = [need for need in needs if isinstance(need, str)]
        stages = [self._trained.key(need, name) for need in needs if isinstance(need, nn.Module)]
        known = (*VIEWS, *(OF_ENHANCERS if self._scope == "enhancer" else ()), *self.options)
        for text in texts:
            if text not in known:
                raise unknown(f"need of stage '{name}'", text, known)
        if self._enhancer is not None and "low" in texts:
            stages.append(self._trained.key(self._enhancer, name))
        teacher = any(part is module for network in self._teachers for part in network.modules())
        numbers = stage_numbers(self.plan, self.inputs, texts, stages, module, scope=self._scope, teacher=teacher)
        if self.plan.keep and self._scored(module):
            numbers["keep"] = [self.plan.keep, self.inputs.held_out, self.plan.test_views]
        return StageKey(name=name, function=function_name(fn), revision=revision, numbers=numbers)

    def _scored(self, module: Any) -> bool:
        """Whether the epochs of a stage can be scored: it trains a recognizer, and for the views that are tested."""
        return any(module is network for network in self._deployable)

    def _sampling(self, text: str | None) -> Sampling | None:
        """Return the sampling that a stage asks for; None is the plan's, which the key of an enhancer has to hold."""
        if text is not None:
            return Sampling.parse(text)
        if self._scope == "enhancer" and SAMPLING not in (self._needs or ()):
            raise ElrError(
                f"enhancer '{self.plan.enhancer}' asks for views with the plan's sampling, which its stage does not "
                'need: call views inside the stage and add "sampling" to its `needs`, or pass views(sampling=…)'
            )
        return None

    @contextmanager
    def _enhancer_scope(self, options: Mapping[str, Value]) -> Iterator[None]:
        """Inside the block, stages are the enhancer's: they read `options` and have keys without the backbone."""
        self.options, outer, self._scope = options, self.options, "enhancer"
        try:
            yield
        finally:
            self.options, self._scope = outer, "method"

    def derive(
        self,
        name: str,
        fn: Callable[[Batch], Tensor],
        *,
        of: Views,
        by: Sequence[nn.Module] = (),
        fixed: Sequence[nn.Module] = (),
        numbers: Mapping[str, Value] = MappingProxyType({}),
        shape: tuple[int, ...],
        revision: int = 1,
    ) -> DerivedViews:
        """Compute a tensor for each interval of each clip, such as features, and store it as float16.

        fn: a batch of one clip -> (K, *shape), each interval independent of the others: a long clip comes in pieces.
            It is called without gradients, and only for clips whose result is not stored yet.
        of: `views(..., whole=True)`. by: the modules that `fn` uses; stages must have trained them.
        fixed: further modules that `fn` uses, which no stage trains, such as a pre-trained backbone. Their weights are
            part of the key.
        numbers: what the result depends on and neither weights nor views show, such as options of a module without
            parameters.
        revision: raise it when what `fn` computes changes.
        Returns views for `epochs`, whose batches hold `derived` (B, K, *shape). Raises ElrError for augmented views.
        """
        if of.train:
            raise ElrError(f"'{name}' cannot be derived from views that change every epoch; pass views(whole=True)")
        stages = [self._trained.key(module, name) for module in by]
        return self._runner.derive(
            Derivation(
                name=name,
                fn=fn,
                views=of,
                modules=[*by, *fixed],
                stages=stages,
                shape=shape,
                revision=revision,
                numbers=numbers,
            )
        )

    # -- the loop

    def epochs(
        self,
        views: Views | DerivedViews,
        n: int,
        *,
        state: Sequence[Stateful],
        batch: int | None = None,
        without: Collection[str] = (),
    ) -> Iterator[Batch]:
        """Yield batches on the device for `n` epochs, augmented as the method's options say (see `AUGMENTATION`).

        Targets are float (B, C), shares of the classes, if the options mix clips. Whole views, derived data and views
        for an enhancer's own training are not augmented here.

        state: saved at each epoch's end, and restored after a kill. Modules in it are put in training mode at each
            epoch's start, except submodules whose parameters are all frozen.
        batch: clips per batch; by default the option `batch`.
        without: options of `AUGMENTATION` that are not applied, for a loop that does the same by itself.
        """
        if self._needs is None:
            raise ElrError("training.epochs(...) must be called inside training.stage(...), which saves the result")
        size = batch or int(self.options["batch"])
        if self._scope == "enhancer" or isinstance(views, DerivedViews) or not views.train:
            return self._runner.epochs(views, n, state=state, batch=size)
        augmentation = BatchAugmentation.of(self.options, without)
        if augmentation.random_flip == "none":
            views = views.without_flips()
        if augmentation.random_crop == "none":
            views = views.centred()
        batches = self._runner.epochs(views, n, state=state, batch=size)
        if augmentation == BatchAugmentation():
            return batches
        sampling = views.sampling
        augmentation.check(batch=size, positions=sampling.k * sampling.t)
        return (
            augmentation(each, self.rng, frames=sampling.t, classes=self.classes, whole=self.whole) for each in batches
        )

    def step(self, optimizer: Optimizer, *, items: int | None = None, clip_norm: float = 0.0) -> None:
        """Step an optimizer of the loop's own, after backward passes; a recipe has its own `step`.

        If several processes train the plan, their gradients are averaged first. `optimizer.step()` itself is refused
        then, because each process would train on its own clips.

        items: number of items, such as pairs, that this process's loss is the mean of, if that is not its clips.
        clip_norm: largest norm of all gradients of the optimizer, clipped after the average; 0: no clipping.
        """
        self._runner.step(optimizer, items=items, clip_norm=clip_norm)

    def whole(self, values: View) -> View:
        """Return the rows of all clips of the present batch, in its order, if several processes share the batch.

        values: a tensor with as many rows for each clip of this process, or a list of clips. Gradients pass. One
        process gets `values` back. `batch.part.of(...)` is the way back: this process's rows.
        """
        return self._runner.whole(values)

    def log(self, **metrics: Tensor | float) -> None:
        """Show scalars and keep their means over the epoch. A value that is not finite stops the run."""
        self._runner.log(metrics)

    @property
    def history(self) -> Sequence[Mapping[str, float]]:
        """One row per finished epoch of the running stage, those before a kill included.

        A row holds `epoch`, from 0, and the mean of each metric. Empty outside a stage and in a time estimate.
        """
        return self._runner.history

    def note(self, text: str) -> None:
        """Add a sentence to the record: something that a reader of the score should know.

        A stage keeps the notes that are made inside it, and every run that reuses the stage repeats them.
        """
        self._runner.note(text)
