"""A stage while it is being fitted: its loops, what they log, and the checkpoint that they go on from."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from benchmark_core.errors import RunFailed
from benchmark_core.progress import Reporter
from benchmark_core.training.external_teacher import train_except_frozen
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.stages import StageFolder

SHOWN = 4  # figures beside a progress bar; all of them are kept


class Stateful(Protocol):
    """Anything with torch's two methods: modules, recipes."""

    def state_dict(self) -> Any:
        """The state."""

    def load_state_dict(self, state: Any) -> Any:
        """Takes the state back."""


class MetricLogger:
    """Numbers that a loop logs. One that is not finite stops the run."""

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self._values: dict[str, list[Tensor]] = {}

    def add(self, key: str, value: Tensor | float) -> None:
        """One step's value of `key`, a scalar; a tensor stays on its device."""
        kept = value.detach().float().reshape(()) if isinstance(value, Tensor) else torch.tensor(float(value))
        self._values.setdefault(key, []).append(kept)

    def clear(self) -> None:
        """Forgets all of them."""
        self._values.clear()

    def latest(self, where: str) -> dict[str, float]:
        """The first few keys' latest values, all of them looked at. RunFailed naming `where` and the key."""
        latest = {key: float(values[-1]) for key, values in self._values.items() if values}
        for key, value in latest.items():
            if not math.isfinite(value):
                raise self.diverged(f"{where}: {key} is {value}")
        return dict(list(latest.items())[:SHOWN])

    def means(self, where: str) -> dict[str, float]:
        """The mean of each over the steps since the last call."""
        means = {key: float(torch.stack(values).mean()) for key, values in self._values.items()}
        self.clear()
        for key, value in means.items():
            if not math.isfinite(value):
                raise self.diverged(f"{where}: the mean of {key} is {value}")
        return {key: round(value, 6) for key, value in means.items()}

    def diverged(self, what: str) -> RunFailed:
        """The error of a number that is not finite."""
        return RunFailed(f"{what}; {self.advice}")


@dataclass
class TrainingLoop:
    """One stage being fitted. `loops` holds the epoch and state of each loop so far; `resumed` an earlier process's."""

    folder: StageFolder
    name: str
    seed: int  # the plan's
    figures: MetricLogger
    reporter: Reporter
    resumed: dict[str, Any] | None = None
    loop: int = 0
    views: int = 0
    updates: int = 0
    seconds: float = 0.0  # of earlier processes, from the checkpoint
    began: float = field(default_factory=time.monotonic)
    history: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    loops: list[dict[str, Any]] = field(default_factory=list)

    @property
    def spent(self) -> float:
        """Seconds in this process and those before."""
        return self.seconds + time.monotonic() - self.began

    def epochs(
        self,
        batches: Callable[[int], Iterator[Any]],
        steps: int,
        n: int,
        *,
        state: Sequence[Stateful],
        drain: bool,
        begin_epoch: Callable[[int, int], None],
    ) -> Iterator[tuple[Any, float]]:
        """(batch, share of the loop done) of `n` epochs of `steps` batches, saved at each epoch's end.

        batches: epoch -> its batches. drain: look at each step's figures; otherwise at every 25th, as a GPU's queue
        would be drained at each. begin_epoch: told the loop's and the epoch's number.
        """
        loop, self.loop = self.loop, self.loop + 1
        if self.loops:  # what the loop before left: a later one may go on with the same module
            self.loops[-1] = copy.deepcopy(self.loops[-1])
        first = self._resume(loop, state)
        label = self.name if loop == 0 else f"{self.name} ({loop + 1})"
        with self.reporter.steps(label, (n - first) * steps) as advance:
            for epoch in range(first, n):
                torch.manual_seed(seed_of(self.seed, self.name, loop, epoch))
                begin_epoch(loop, epoch)
                for item in state:
                    if isinstance(item, nn.Module):
                        train_except_frozen(item)
                where = f"stage '{self.name}', epoch {epoch + 1}"
                for step, batch in enumerate(batches(epoch)):
                    yield batch, (epoch + step / steps) / n
                    self.updates += 1
                    looked = self.figures.latest(f"{where}, step {step + 1}") if drain or step % 25 == 0 else {}
                    advance(1, **looked)
                self.history.append({"epoch": epoch, **self.figures.means(where)})
                self._save(loop, epoch, n, state)

    def _resume(self, loop: int, state: Sequence[Stateful]) -> int:
        """Puts `state` where the checkpoint left this loop; the epoch to go on with, from 0."""
        saved = self.resumed
        if saved is None or loop >= len(saved["loops"]):
            return 0
        kept = saved["loops"][loop]
        for item, values in zip(state, kept["state"], strict=True):
            item.load_state_dict(values)
        self.loops.append(kept)
        first = int(kept["epoch"]) + 1
        if loop == len(saved["loops"]) - 1:
            self.seconds, self.updates = saved["seconds"], saved["updates"]
            self.history = list(saved["history"])
            self.notes = list(saved.get("notes", ()))
            self.reporter.say(f"{self.name}: going on from epoch {first + 1}")
        return first

    def _save(self, loop: int, epoch: int, n: int, state: Sequence[Stateful]) -> None:
        """A checkpoint holds the last state of every loop so far: a later loop may train other modules."""
        self.loops[loop:] = [{"epoch": epoch, "of": n, "state": [item.state_dict() for item in state]}]
        self.folder.save_checkpoint(
            {
                "loops": self.loops,
                "updates": self.updates,
                "seconds": self.spent,
                "history": self.history,
                "notes": self.notes,
            }
        )
