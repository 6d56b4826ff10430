"""What a method's `fit(training)` works with: a library, not a framework.

def fit(training):
    return training.stage("student", lambda student: supervise(training, student), training.recognizer(), needs=(…))

def supervise(training, student):
    views = training.views("train")
    recipe = training.recipe(student, views, 20)
    for batch in training.epochs(views, 20, state=[student, recipe]):
        with training.autocast():
            loss = training.task_loss(student(batch.low, batch.mask, batch.box), batch.target)
        recipe.step(loss)
        training.log(loss=loss)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmark_core.clips.views import Batch, Views
from benchmark_core.combinations import Chosen
from benchmark_core.errors import ElrError, unknown
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.heads import HEADS
from benchmark_core.networks.losses import soft_loss, task_loss
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plan import Plan
from benchmark_core.progress import Reporter
from benchmark_core.specs import Value
from benchmark_core.training.device import autocast, describe_device
from benchmark_core.training.fitting import Figures, Fitting, Stateful
from benchmark_core.training.given import GivenTeacher
from benchmark_core.training.keys import (
    VIEWS,
    FittedModules,
    StageInputs,
    StageKey,
    function_name,
    other_source,
    package_digest,
    source_digest,
    stage_numbers,
)
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.seeds import generator, seed_of, seeded
from benchmark_core.training.stages import StageFolder


class Training:
    """The materials of one run. Test clips cannot be reached from here."""

    def __init__(
        self,
        *,
        plan: Plan,
        chosen: Chosen,
        inputs: StageInputs,
        make_views: Callable[..., Views],
        device: torch.device,
        cache: Path,
        reporter: Reporter,
        refit: bool = False,
        given: GivenTeacher | None = None,
    ) -> None:
        self.plan = plan
        self.chosen = chosen
        self.inputs = inputs
        self.device = device
        self.options: Mapping[str, Value] = chosen.options(plan, "method")
        self.classes = len(chosen.dataset.classes)
        self.stages: list[dict[str, Any]] = []
        self.notes: list[str] = []
        self.taught = False  # whether a given teacher was taken
        self._make_views = make_views
        self._cache = cache
        self._reporter = reporter
        self._refit = refit
        self._given = given
        self._fitting: Fitting | None = None
        precision = "" if plan.precision == "fp32" else " or use --precision fp32"
        self._figures = Figures(f"lower the learning rate (--set method.lr=…){precision}")
        self._fitted = FittedModules()
        self._rng = generator(plan.seed, "", "rng")

    # -- materials

    @property
    def rng(self) -> np.random.Generator:
        """numpy's generator, seeded by the plan and the stage, and anew at each epoch's start."""
        return self._rng

    def views(self, split: str = "train", *, low: bool = True, high: bool = False, unlabelled: bool = False) -> Views:
        """Augmented views of the training clips, in an order that the plan's seed and the stage's name give.

        Where the plan has a high source, views of high, alone or beside low, are of its clips and carry its labels.
        unlabelled: of the pool's clips instead; targets are then -1, or zeros where labels are several.
        """
        if split != "train":
            raise ElrError(f"a method asked for views of '{split}' clips; only training clips are for fitting")
        if not unlabelled:
            return self._make_views(low=low, high=high, seed=self._views_seed())
        if not self.plan.unlabelled:
            raise ElrError(
                f"method '{self.plan.method}' asked for clips without labels, and its plan has no pool; its spec must "
                "name in `unlabelled` the options that ask for one"
            )
        return self._make_views(low=low, high=high, seed=self._views_seed(), unlabelled=True)

    def _views_seed(self) -> int:
        """Another one for each views of a stage: a later loop sees other orders and boxes."""
        if self._fitting is None:
            return seed_of(self.plan.seed, "", "views")
        number, self._fitting.views = self._fitting.views, self._fitting.views + 1
        return seed_of(self.plan.seed, self._fitting.name, "views", *([number] if number else []))

    def recognizer(self, role: str = "student", *, head: str | None = None) -> Recognizer:
        """A fresh recognizer on low views; its initial weights depend on the plan's seed and `role` alone.

        head: a core head instead of the method's own, by name ("mean-logits").
        """
        return self._build(role, head, high=False)

    def teacher(self, role: str = "teacher", *, head: str | None = None) -> Recognizer:
        """The same network for high views."""
        return self._build(role, head, high=True)

    def _build(self, role: str, head: str | None, *, high: bool) -> Recognizer:
        if head is not None and head not in HEADS:
            raise unknown("head", head, HEADS)
        with seeded(self.plan.seed, role):
            module = recognizer_of(self.plan, self.chosen, high=high, head=head)
        placed: Recognizer = self.place(module)
        return placed

    def place(self, module: Any) -> Any:
        """`module` on the device, 2D convolutions in channels-last order (a fifth faster on a CPU, more on a GPU)."""
        return (
            module.to(self.device, memory_format=torch.channels_last)
            if self.chosen.backbone.dims == 2
            else module.to(self.device)
        )

    # -- losses and updates

    def task_loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Cross-entropy, or binary cross-entropy with logits; a scalar in float32."""
        smoothing = float(self.options.get("label_smoothing", 0.0))
        return task_loss(self.chosen.dataset.task, smoothing)(logits.float(), target)

    def soft_loss(self, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """See `benchmark_core.networks.losses.soft_loss`."""
        return soft_loss(self.chosen.dataset.task, student, teacher, temperature)

    def recipe(self, modules: nn.Module | Sequence[nn.Module], views: Views, epochs: int) -> Recipe:
        """Optimiser and schedule over the modules' trainable parameters, by the method's options."""
        several = [modules] if isinstance(modules, nn.Module) else modules
        return Recipe(several, self.options, epochs=epochs, steps=views.steps(int(self.options["batch"])))

    def autocast(self) -> AbstractContextManager[None]:
        """The plan's precision, for forward passes and losses."""
        return autocast(self.device, self.plan.precision)

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
            other stages.
        revision: raised when what `fn` computes changes.
        """
        key = self._key(name, fn, module, needs, revision)
        folder = StageFolder(self._cache, key)
        with folder.locked():
            note = None if self._refit else folder.finished()
            reused = note is not None
            if note is None:
                note = self._fit(folder, name, fn, module)
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

    def _fit(self, folder: StageFolder, name: str, fn: Callable[[Any], object], module: Any) -> dict[str, Any]:
        if self._fitting is not None:
            raise ElrError(
                f"stage '{name}' begins inside stage '{self._fitting.name}'; fit it before and pass it in `needs`"
            )
        resumed = None if self._refit else folder.load_checkpoint()
        folder.begin()
        fitting = self._fitting = Fitting(folder, name, self.plan.seed, self._figures, self._reporter, resumed)
        self._rng = generator(self.plan.seed, name, "rng")
        try:
            with seeded(self.plan.seed, name):
                fn(module)
        finally:
            self._fitting = None
            self._figures.clear()
        for key, value in module.state_dict().items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise self._figures.diverged(f"stage '{name}': {key} is not finite after training, and is not kept")
        note = {
            "seconds": round(fitting.spent, 2),
            "updates": fitting.updates,
            "history": fitting.history,
            "source": source_digest(fn),
            "package": package_digest(fn),
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
        for text in texts:
            if text not in (*VIEWS, *self.options):
                raise unknown(f"need of stage '{name}'", text, (*VIEWS, *self.options))
        numbers = stage_numbers(self.plan, self.inputs, texts, stages, module)
        return StageKey(name=name, function=function_name(fn), revision=revision, numbers=numbers)

    # -- the loop

    def epochs(self, views: Views, n: int, *, state: Sequence[Stateful], batch: int | None = None) -> Iterator[Batch]:
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
