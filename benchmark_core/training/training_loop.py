"""The loops of a stage while it is trained: epochs, metrics, and the checkpoint from which a killed run resumes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from benchmark_core.progress import Reporter
from benchmark_core.training.average import Average
from benchmark_core.training.epoch_scores import EpochScores
from benchmark_core.training.equal_state import begin_equal, end_equal
from benchmark_core.training.external_teacher import train_except_frozen
from benchmark_core.training.figures import StageFigures
from benchmark_core.training.metric_logger import MetricLogger
from benchmark_core.training.ranks import ONE, Ranks
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.stage_folder import StageFolder
from benchmark_core.training.stage_runner import Stateful

CHECK_EVERY = 25  # steps between two looks at the metrics on a GPU, because each look waits for its queue


@dataclass
class TrainingLoop:
    """One stage while it is trained; a stage may run several loops, one after the other.

    loops: last epoch and state of each loop so far. resumed: the checkpoint of an earlier process, if there is one.
    seconds: training time in earlier processes. views: how many views the stage has asked for, for their seeds.
    ranks: the processes that train the stage together. figures: pass on what is logged. scores: on held-out clips.
    """

    folder: StageFolder
    name: str
    seed: int  # the plan's
    metrics: MetricLogger
    reporter: Reporter
    figures: StageFigures
    resumed: dict[str, Any] | None = None
    loop: int = 0
    views: int = 0
    updates: int = 0
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loops: list[dict[str, Any]] = field(default_factory=list)
    ranks: Ranks = ONE
    scores: EpochScores | None = None

    @property
    def spent(self) -> float:
        """Training time in seconds, in this process and in earlier ones."""
        return self.seconds + time.monotonic() - self.began

    def epochs(
        self,
        batches: Callable[[int], Iterator[Any]],
        steps: int,
        n: int,
        *,
        state: Sequence[Stateful],
        drain: bool,
        labelled: bool,
        begin_epoch: Callable[[int, int], None],
    ) -> Iterator[tuple[Any, float]]:
        """Yield (batch, fraction of the loop done) for `n` epochs of `steps` batches; save at each epoch's end.

        batches: epoch -> its batches. drain: check the metrics at every step instead of every `CHECK_EVERY` steps.
        labelled: the epochs may be scored. Without labels, a classifier is not trained.
        begin_epoch: called with the numbers of loop and epoch, both from 0.
        """
        loop, self.loop = self.loop, self.loop + 1
        if self.loops:  # a later loop may train the same module: keep a copy of what the loop before left
            self.loops[-1] = copy.deepcopy(self.loops[-1])
        if self.scores is not None:
            self.scores.begin_loop()
        first = self._resume(loop, state)
        if self.ranks.several:
            begin_equal(self.ranks, state)
        name = self.name if loop == 0 else f"{self.name} ({loop + 1})"
        with self.reporter.steps(f"{name}, epoch {first + 1}/{n}", (n - first) * steps, unit="steps") as advance:
            for epoch in range(first, n):
                torch.manual_seed(seed_of(self.seed, self.name, loop, epoch, *self.ranks.seeds))
                begin_epoch(loop, epoch)
                prepare_state(state, epoch)
                where = f"stage '{self.name}', epoch {epoch + 1}"
                for step, batch in enumerate(batches(epoch)):
                    yield batch, (epoch + step / steps) / n
                    self.updates += 1
                    check = drain or step % CHECK_EVERY == 0
                    shown = self.metrics.latest(f"{where}, step {step + 1}") if check else {}
                    self.figures.update(self.updates, self.metrics, send=check)
                    advance(1, label=f"{name}, epoch {epoch + 1}/{n}", **shown)
                self.history.append({"epoch": epoch, **self.metrics.means(where)})
                if epoch == n - 1:
                    finish_state(state)
                if self.ranks.several:
                    end_equal(self.ranks, state, where)
                self._score(f"{name}, epoch {epoch + 1}/{n}", epoch, n, state if labelled else ())
                self._save(loop, epoch, n, state)
        if self.ranks.several:  # what the stage draws after the loop is equal on all ranks
            torch.manual_seed(seed_of(self.seed, self.name, loop, "after"))

    def _score(self, where: str, epoch: int, n: int, state: Sequence[Stateful]) -> None:
        """Score the epoch on held-out clips if that is asked for, and pass its means and scores on."""
        number, rows = len(self.history), []
        if self.scores is not None:
            began, before = time.monotonic(), len(self.scores.rows)
            note = self.scores.after_epoch(where, number, epoch=epoch + 1, last=epoch + 1 == n, state=state)
            self.notes += [note] if note else []
            rows = self.scores.rows[before:]
            self.began += time.monotonic() - began  # scoring is no training time
        self.figures.epoch(number, self.updates, self.history[-1], rows[-1] if rows else {})

    def _resume(self, loop: int, state: Sequence[Stateful]) -> int:
        """Restore `state` from the checkpoint of this loop. Returns the epoch to continue with, from 0."""
        saved = self.resumed
        if saved is None or loop >= len(saved["loops"]):
            return 0
        kept = saved["loops"][loop]
        if int(kept["epoch"]) + 1 == int(kept["of"]):  # the loop has ended, and what it saved is merged
            end_tuning(state)
        for item, values in zip(state, kept["state"], strict=True):
            item.load_state_dict(values)
        self.loops.append(kept)
        first = int(kept["epoch"]) + 1
        if loop == len(saved["loops"]) - 1:  # the checkpoint's totals are those of its last loop
            self.seconds, self.updates = saved["seconds"], saved["updates"]
            self.history = list(saved["history"])
            self.notes = list(saved.get("notes", ()))
            if self.scores is not None:
                self.scores.load_state_dict(saved.get("scores", {}))
            self.reporter.say(f"{self.name}: resuming at epoch {first + 1}")
        return first

    def _save(self, loop: int, epoch: int, n: int, state: Sequence[Stateful]) -> None:
        """Save the last state of every loop so far, because a later loop may train other modules."""
        self.loops[loop:] = [{"epoch": epoch, "of": n, "state": [item.state_dict() for item in state]}]
        self.folder.save_checkpoint(
            {
                "loops": self.loops,
                "updates": self.updates,
                "seconds": self.spent,
                "history": self.history,
                "notes": self.notes,
                **({"scores": self.scores.state_dict()} if self.scores is not None else {}),
            }
        )


def prepare_state(state: Sequence[Stateful], epoch: int) -> None:
    """Freeze or release what the recipes in `state` say; put its modules in training mode, frozen parts excepted."""
    for item in state:
        if isinstance(item, Recipe):
            item.begin_epoch(epoch)
    for item in state:
        if isinstance(item, nn.Module):
            train_except_frozen(item)


def finish_state(state: Sequence[Stateful]) -> None:
    """End a loop: the recipes in `state` load averaged weights, and modules and averages are merged and released."""
    for item in state:
        if isinstance(item, Recipe):
            item.finish()
    end_tuning(state)


def end_tuning(state: Sequence[Stateful]) -> None:
    """Merge low-rank updates in modules and averages, and release what was frozen. A second call does nothing."""
    for item in state:
        if isinstance(item, Recipe | Average):
            item.end_tuning()
