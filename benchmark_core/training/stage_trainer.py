"""Train stages for real: under a lock, with checkpoints, and only if no equal stage is in the cache."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmark_core.clips.batch import Batch, View
from benchmark_core.clips.derived import DerivedFormat, DerivedViews, ensure_derived
from benchmark_core.clips.enhanced import weights_digest
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.processes import check_batch
from benchmark_core.progress import Reporter, duration, follow
from benchmark_core.source_text import other_source, source_note
from benchmark_core.training.averaging import averaging
from benchmark_core.training.device import describe_device
from benchmark_core.training.epoch_scores import EpochScores
from benchmark_core.training.equal_state import modules_of
from benchmark_core.training.figures import StageFigures
from benchmark_core.training.keys import function_name
from benchmark_core.training.metric_logger import MetricLogger
from benchmark_core.training.observers import NOBODY, Observers
from benchmark_core.training.ranks import ONE, Ranks
from benchmark_core.training.seeds import generator, seed_of, seeded
from benchmark_core.training.shared_stage import SharedFolder, SharedMetrics
from benchmark_core.training.stage_folder import StageFolder
from benchmark_core.training.stage_runner import Derivation, Stage, StageRunner, Stateful, ViewRequest
from benchmark_core.training.sync_norms import synchronised
from benchmark_core.training.training_loop import TrainingLoop


class StageTrainer(StageRunner):
    """The `StageRunner` of a run.

    make_views: see `runs.prepare.Data.training_views`. cache: the folder that holds `stages` and `clips`.
    spare: if the cache is read-only, the folder for stages that it lacks. refit: train each stage again, even if it is
        in the cache.
    ranks: the processes that train the plan together; see `ranks`. observers: see `Observers`.
    """

    def __init__(
        self,
        *,
        plan: Plan,
        make_views: Callable[..., Views],
        device: torch.device,
        cache: Path,
        reporter: Reporter,
        spare: Path | None = None,
        refit: bool = False,
        ranks: Ranks = ONE,
        observers: Observers = NOBODY,
    ) -> None:
        super().__init__(plan.seed)
        self._plan = plan
        self._ranks = ranks
        self._make_views = make_views
        self._device = device
        self._cache = cache
        self._spare = spare
        self._reporter = reporter
        self._refit = refit
        self._observers = observers
        self._loop: TrainingLoop | None = None  # of the running stage
        precision = "" if plan.precision == "fp32" else " or use --precision fp32"
        advice = f"lower the learning rate (--set method.lr=…){precision}"
        self._metrics = SharedMetrics(advice, ranks) if ranks.several else MetricLogger(advice)

    def run_stage(self, stage: Stage) -> None:
        """Train the stage, or restore it from the cache; add its row to `stages`."""
        key = stage.key
        figures = StageFigures(self._observers.follow, key.name, sum(done["updates"] for done in self.stages))
        scores = self._scores(stage)
        folder = self._folder(self._cache, stage)
        if self._spare is not None and (self._refit or folder.finished() is None):
            folder = self._folder(self._spare, stage)
        began = time.monotonic()
        with folder.locked():
            waited = time.monotonic() - began  # another process trained the stage meanwhile
            note = None if self._refit else folder.finished()
            reused = note is not None
            if note is None:
                note, earlier = self._train(folder, stage, figures, scores)
            else:
                earlier = note["seconds"]
                folder.restore(stage.module)
                if scores is not None and not scores.of_note(note) and self._ranks.leads:
                    self._reporter.warn(
                        f"stage '{key.name}' comes from the cache, where its epochs are not scored on these held-out "
                        "clips; pass --refit to train it again and score them"
                    )
                figures.cached(note["updates"], note["history"], () if scores is None else scores.rows)
                self._reporter.say(
                    f"{key.name}: reused from the cache, where it was trained in {duration(note['seconds'])}"
                )
                if self._ranks.leads and other_source(note, stage.fn):
                    self._reporter.warn(
                        f"stage '{key.name}' in the cache was trained by other code of its package with the same "
                        "revision; if the difference matters, pass --refit to train it again"
                    )
        self.notes += [f"{key.name}: {text}" for text in note.get("notes", ())]
        self.stages.append(
            {
                "name": key.name,
                "key": key.digest,
                "reused": reused,
                "seconds": note["seconds"],
                "earlier": max(earlier - waited, 0.0),  # this process's own time contains the wait
                "updates": note["updates"],
                "history": note["history"],
                "device": note["device"],
                "scores": [] if scores is None else scores.rows,
            }
        )

    def _folder(self, root: Path, stage: Stage) -> StageFolder:
        if self._ranks.several:
            return SharedFolder(root, stage.key, self._reporter.warn, self._ranks)
        return StageFolder(root, stage.key, self._reporter.warn)

    def _scores(self, stage: Stage) -> EpochScores | None:
        """Return what scores the stage's epochs; None if they are not scored."""
        validation = self._observers.validation
        if validation is None or not stage.scored:
            return None
        return EpochScores(validation, stage.module, self._reporter.say)

    def _train(
        self, folder: StageFolder, stage: Stage, figures: StageFigures, scores: EpochScores | None
    ) -> tuple[dict[str, Any], float]:
        """Train the stage and write it to the cache. Returns its note (see `stage_files`) and earlier seconds of it."""
        name = stage.key.name
        if self._loop is not None:
            raise ElrError(
                f"stage '{name}' starts inside stage '{self._loop.name}'; train '{name}' first and pass its "
                f"module in the `needs` of '{self._loop.name}'"
            )
        resumed = None if self._refit else folder.load_checkpoint()
        folder.begin()
        loop = self._loop = TrainingLoop(
            folder, name, self.seed, self._metrics, self._reporter, figures, resumed, ranks=self._ranks, scores=scores
        )
        self._rng = generator(self.seed, name, "rng")
        updates = self._ranks.updates
        try:
            with seeded(self.seed, name), averaging(self._ranks, self._plan.method):
                stage.fn(stage.module)
            if self._ranks.several and loop.updates and self._ranks.updates == updates:
                raise ElrError(
                    f"stage '{name}' uses no optimizer, so that {self._ranks.size} processes cannot train it together; "
                    "remove --processes"
                )
        finally:
            self._loop = None
            self._metrics.clear()
        for key, value in stage.module.state_dict().items():
            if value.is_floating_point() and not bool(torch.isfinite(value).all()):
                raise self._metrics.diverged(
                    f"stage '{name}': {key} is not finite after training, so the stage is not kept"
                )
        seconds = round(loop.spent, 2)
        note = {
            "seconds": seconds,
            "updates": loop.updates,
            "history": loop.history,
            **source_note(stage.fn),
            "device": describe_device(self._device),
            "torch": torch.__version__,
            **({"notes": loop.notes} if loop.notes else {}),
            **({"validation": scores.note} if scores is not None else {}),
        }
        folder.finish(stage.module, note)
        before = f", {duration(loop.seconds)} of it in earlier processes" if loop.seconds else ""
        self._reporter.say(f"{name}: trained in {duration(seconds)}{before}")
        return note, loop.seconds

    def views(self, request: ViewRequest) -> Views:
        """Return views of stored clips, seeded by the plan and the running stage."""
        shared = {"ranks": self._ranks} if self._ranks.several else {}
        made = self._make_views(
            **shared,
            low=request.low,
            high=request.high,
            seed=self._views_seed(),
            unlabelled=request.unlabelled,
            sampling=request.sampling,
            enhancer=request.enhancer,
            whole=request.whole,
            most=request.most,
        )
        made.labelled = not request.unlabelled
        return made

    def epochs(self, views: Views | DerivedViews, n: int, *, state: Sequence[Stateful], batch: int) -> Iterator[Batch]:
        """Yield batches on the device; save `state` at each epoch's end, and restore it after a kill."""
        loop = self._loop
        assert loop is not None, "`Training.epochs` refuses loops outside a stage"

        def begin_epoch(number: int, epoch: int) -> None:
            self._rng = generator(self.seed, loop.name, number, epoch, "rng")

        ranks, plan = self._ranks, self._plan
        if ranks.several:
            check_batch(f"stage '{loop.name}'", batch, len(views), ranks.size)
        sync = ranks.several and plan.batch_norm == "sync"
        with synchronised(modules_of(state), ranks.group) if sync else nullcontext():
            for host, progress in loop.epochs(
                lambda epoch: views.batches(batch, epoch=epoch, part=ranks.turn),
                views.steps(batch),
                n,
                state=state,
                drain=self._device.type == "cpu",
                labelled=views.labelled,
                begin_epoch=begin_epoch,
            ):
                ranks.part = host.part
                yield replace(views.to_device(host, self._device), progress=progress)

    def derive(self, derivation: Derivation) -> DerivedViews:
        """Compute what is missing in the clip store; return views that read it."""
        views, plan = derivation.views, derivation.views.view_plan
        stored = DerivedFormat(
            made_of={
                "name": derivation.name,
                "function": function_name(derivation.fn),
                "revision": derivation.revision,
                "views": plan.sources(low=views.low, high=views.high),
                "crop": plan.crop,
                "size": list(plan.size),
                "sampling": str(views.sampling),
                "precision": self._plan.precision,
                "stages": list(derivation.stages),
                "weights": [weights_digest(module) for module in derivation.modules],
                "shape": list(derivation.shape),
                **({"numbers": dict(sorted(derivation.numbers.items()))} if derivation.numbers else {}),
            }
        )
        for module in derivation.modules:
            module.eval()
        store = ClipStore(self._cache, self._reporter)
        turn = self._ranks.turn
        with self._reporter.steps(derivation.name, len(turn.share(views.clips)), unit="clips") as advance:
            ensure_derived(
                store,
                views,
                stored,
                derivation.fn,
                self._device,
                follow(advance),
                shape=derivation.shape,
                part=turn,
            )
        self._ranks.wait()
        return DerivedViews(views, store, stored, derivation.shape, self._views_seed())

    def whole(self, values: View) -> View:
        """Return the rows of all clips of the present batch."""
        return self._ranks.whole(values)

    def log(self, values: Mapping[str, Tensor | float]) -> None:
        """Keep one step's metrics; the epoch's means go into the history."""
        for key, value in values.items():
            self._metrics.add(key, value)

    def note(self, text: str) -> None:
        """Keep a sentence once, with the running stage or else with the run, and print it as a warning."""
        notes = self.notes if self._loop is None else self._loop.notes
        if text not in notes:
            notes.append(text)
            if self._ranks.leads:
                self._reporter.warn(text)

    @property
    def history(self) -> Sequence[Mapping[str, float]]:
        """One row per finished epoch of the running stage, those before a resume included."""
        return () if self._loop is None else tuple(self._loop.history)

    def _views_seed(self) -> int:
        """Return a new seed for each `views` call of a stage, so that a later loop gets other orders and boxes."""
        if self._loop is None:
            return seed_of(self.seed, "", "views")
        number, self._loop.views = self._loop.views, self._loop.views + 1
        return seed_of(self.seed, self._loop.name, "views", *([number] if number else []))
