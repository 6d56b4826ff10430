"""Stages, the loops in them, and what is derived from them: fitted once, kept, shared by runs of equal numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.clips.derived import DerivedFormat, DerivedViews, ensure_derived
from benchmark_core.clips.enhanced import weights_digest
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.views import Batch, Views
from benchmark_core.errors import ElrError, unknown
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter, follow
from benchmark_core.source_text import other_source, source_note
from benchmark_core.specs import Value
from benchmark_core.training.device import describe_device
from benchmark_core.training.external_teacher import ExternalTeacher
from benchmark_core.training.keys import (
    CLASSIFIER,
    VIEWS,
    FittedModules,
    NamedOptions,
    StageInputs,
    StageKey,
    function_name,
    stage_numbers,
)
from benchmark_core.training.seeds import generator, seed_of, seeded
from benchmark_core.training.stages import StageFolder
from benchmark_core.training.training_loop import MetricLogger, Stateful, TrainingLoop


class StageRunner:
    """Fits, keeps and finds stages of one plan, in the order in which a method asks for them."""

    def __init__(
        self,
        *,
        plan: Plan,
        inputs: StageInputs,
        options: Mapping[str, Value],
        device: torch.device,
        cache: Path,
        reporter: Reporter,
        refit: bool = False,
        given: ExternalTeacher | None = None,
        neutral: Mapping[str, Collection[str]] = MappingProxyType({}),
    ) -> None:
        self.plan = plan
        self.inputs = inputs
        self.options = options  # the method's; the enhancer's while that is fitted
        self.device = device
        self.stages: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.taught = False  # whether a given teacher was taken
        self._cache = cache
        self._reporter = reporter
        self._refit = refit
        self._given = given
        self._neutral = neutral  # "method" or "enhancer" -> its options that change nothing of what is fitted
        self._fitting: TrainingLoop | None = None
        precision = "" if plan.precision == "fp32" else " or use --precision fp32"
        self._figures = MetricLogger(f"lower the learning rate (--set method.lr=…){precision}")
        self._fitted = FittedModules()
        self._scope: Literal["method", "enhancer"] = "method"
        self._enhancer: nn.Module | None = None  # fitted: its key is part of those of all stages on low views
        self._rng = generator(plan.seed, "", "rng")

    @property
    def rng(self) -> np.random.Generator:
        """numpy's generator, seeded by the plan and the stage, and anew at each epoch's start."""
        return self._rng

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
        """`module`, fitted by `fn(module)`, or as an equal stage has left it.

        needs: "low", "high" and "unlabelled" for the views it reads, names of the method's options, and modules of
            other stages; where an enhancer is fitted, names of its options, and "classifier". Inside `fn` no other
            option can be read, unless it is `neutral`: a plan with another value would be given these weights.
        revision: raised when what `fn` computes changes.
        """
        key = self._key(name, fn, module, needs, revision)
        folder = StageFolder(self._cache, key)
        with folder.locked():
            note = None if self._refit else folder.finished()
            reused = note is not None
            if note is None:
                named = {need for need in needs if isinstance(need, str)}
                note = self._fit(folder, name, fn, module, named)
            else:
                folder.restore(module)
                self._reporter.say(f"{name}: reused (took {note['seconds']:.0f} s when it was fitted)")
                if other_source(note, fn):
                    self._reporter.warn(
                        f"stage '{name}' was fitted by other source text of the same revision; --refit refits"
                    )
        self._fitted.add(module, key.digest)
        self.notes += [f"{name}: {text}" for text in note.get("notes", ())]
        self.stages.append(
            {
                "name": name,
                "key": key.digest,
                "reused": reused,
                "seconds": note["seconds"],
                "updates": note["updates"],
                "history": note["history"],
                "device": note["device"],
            }
        )
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
        """As `stage`, for the T-Net: a fitted network that the plan names takes its place.

        `module` then has that network's weights, which stand still. Where its head has parameters that the network
        lacks, such as a temporal attention module, `fn` fits them alone, in a stage that depends on the network.
        Raises ElrError where the two differ in anything else.
        """
        if self._given is None:
            return self.stage(name, fn, module, needs=needs, revision=revision)
        whole = self._given.into(module)
        self.taught = True
        self._fitted.add(module, self._given.name)
        if whole:
            return module.eval()
        return self.stage(name, fn, module, needs=(*needs, module), revision=revision)

    def _fit(
        self, folder: StageFolder, name: str, fn: Callable[[Any], object], module: Any, named: Collection[str]
    ) -> dict[str, Any]:
        if self._fitting is not None:
            raise ElrError(
                f"stage '{name}' begins inside stage '{self._fitting.name}'; fit it before and pass it in `needs`"
            )
        resumed = None if self._refit else folder.load_checkpoint()
        folder.begin()
        fitting = self._fitting = TrainingLoop(folder, name, self.plan.seed, self._figures, self._reporter, resumed)
        self._rng = generator(self.plan.seed, name, "rng")
        options, self.options = (
            self.options,
            NamedOptions(self.options, name, {*named, *self._neutral.get(self._scope, ())}),
        )
        try:
            with seeded(self.plan.seed, name):
                fn(module)
        finally:
            self.options = options
            self._fitting = None
            self._figures.clear()
        for key, value in module.state_dict().items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise self._figures.diverged(f"stage '{name}': {key} is not finite after training, and is not kept")
        note = {
            "seconds": round(fitting.spent, 2),
            "updates": fitting.updates,
            "history": fitting.history,
            **source_note(fn),
            "device": describe_device(self.device),
            "torch": torch.__version__,
            **({"notes": fitting.notes} if fitting.notes else {}),
        }
        folder.finish(module, note)
        return note

    def _key(
        self, name: str, fn: Callable[[Any], object], module: Any, needs: Sequence[str | nn.Module], revision: int
    ) -> StageKey:
        texts = [need for need in needs if isinstance(need, str)]
        stages = [self._fitted.key(need, name) for need in needs if isinstance(need, nn.Module)]
        known = (*VIEWS, *([CLASSIFIER] if self._scope == "enhancer" else []), *self.options)
        for text in texts:
            if text not in known:
                raise unknown(f"need of stage '{name}'", text, known)
        if self._enhancer is not None and "low" in texts:
            stages.append(self._fitted.key(self._enhancer, name))
        numbers = stage_numbers(self.plan, self.inputs, texts, stages, module, scope=self._scope)
        return StageKey(name=name, function=function_name(fn), revision=revision, numbers=numbers)

    def derive(
        self,
        name: str,
        fn: Callable[[Batch], Tensor],
        *,
        of: Views,
        by: Sequence[nn.Module],
        shape: tuple[int, ...],
        revision: int = 1,
    ) -> DerivedViews:
        """What fitted networks make of each clip's whole view, kept in the clip store as float16: views for `epochs`.

        fn: a batch of one clip to (K, *shape), such as features of its K intervals, each of which it sees by itself: of
            a long clip it gets some at a time. It is called without gradients, and only for clips of which nothing is
            kept. of: `views(..., whole=True)`. by: the modules that `fn` uses, each
            left by a stage. revision: raised when what `fn` computes changes.
        """
        if of.train:
            raise ElrError(
                f"'{name}' is derived of views that differ from epoch to epoch; ask for them with whole=True"
            )
        stock = of.view_plan
        recipe = DerivedFormat(
            made_of={
                "name": name,
                "function": function_name(fn),
                "revision": revision,
                "views": [one.key for one in (stock.low if of.low else None, stock.high if of.high else None) if one],
                "crop": stock.crop,
                "size": list(stock.size),
                "sampling": str(of.sampling),
                "precision": self.plan.precision,
                "stages": [self._fitted.key(module, name) for module in by],
                "weights": [weights_digest(module) for module in by],
                "shape": list(shape),
            }
        )
        for module in by:
            module.eval()
        return self._derive(name, fn, of, recipe, shape)

    def _derive(
        self, name: str, fn: Callable[[Batch], Tensor], of: Views, recipe: DerivedFormat, shape: tuple[int, ...]
    ) -> DerivedViews:
        store = ClipStore(self._cache)
        with self._reporter.steps(name, len(of)) as advance:
            ensure_derived(store, of, recipe, fn, self.device, follow(advance), shape=shape)
        return DerivedViews(of, store, recipe, shape, self._views_seed())

    # -- the loop

    def epochs(
        self, views: Views | DerivedViews, n: int, *, state: Sequence[Stateful], batch: int | None = None
    ) -> Iterator[Batch]:
        """Batches on the device, epoch after epoch; `state` is saved at each epoch's end and restored after a kill.

        Modules in `state` are put in training mode at each epoch's start, but for parts that stand still.
        """
        fitting = self._fitting
        if fitting is None:
            raise ElrError("training.epochs(...) is for use inside training.stage(...), which keeps what it fits")
        size = batch or int(self.options["batch"])

        def begin_epoch(loop: int, epoch: int) -> None:
            self._rng = generator(self.plan.seed, fitting.name, loop, epoch, "rng")

        for host, progress in fitting.epochs(
            lambda epoch: views.batches(size, epoch=epoch),
            views.steps(size),
            n,
            state=state,
            drain=self.device.type == "cpu",
            begin_epoch=begin_epoch,
        ):
            yield replace(views.to_device(host, self.device), progress=progress)

    def log(self, **figures: Tensor | float) -> None:
        """Numbers to show and to keep as means over the epoch. A figure that is not finite stops the run."""
        for key, value in figures.items():
            self._figures.add(key, value)

    @property
    def history(self) -> Sequence[Mapping[str, float]]:
        """What this stage's loops have logged: one row for each finished epoch, those before a kill included.

        A row holds `epoch`, from 0, and the mean of each figure. Empty outside a stage and in a rehearsal.
        """
        return () if self._fitting is None else tuple(self._fitting.history)

    def note(self, text: str) -> None:
        """A sentence for the record: what a reader of the score should know of how it came about.

        A stage keeps the notes that are made inside it, and repeats them in every run that reuses it.
        """
        notes = self.notes if self._fitting is None else self._fitting.notes
        if text not in notes:
            notes.append(text)
            self._reporter.warn(text)

    def _views_seed(self) -> int:
        """Another one for each views of a stage: a later loop sees other orders and boxes."""
        if self._fitting is None:
            return seed_of(self.plan.seed, "", "views")
        number, self._fitting.views = self._fitting.views, self._fitting.views + 1
        return seed_of(self.plan.seed, self._fitting.name, "views", *([number] if number else []))
