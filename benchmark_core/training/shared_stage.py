"""A stage that several ranks train: rank 0 owns lock, files and checkpoint; logged values are averaged over ranks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmark_core.training.keys import StageKey
from benchmark_core.training.metric_logger import MetricLogger
from benchmark_core.training.ranks import Ranks
from benchmark_core.training.stage_folder import StageFolder


class SharedFolder(StageFolder):
    """The folder of a stage, which rank 0 locks, reads and writes; it tells the other ranks what they need."""

    def __init__(self, root: Path, key: StageKey, warn: Callable[[str], None], ranks: Ranks) -> None:
        super().__init__(root, key, warn)
        self.ranks = ranks

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder on rank 0. The others go on, and wait for its answers instead."""
        with super().locked() if self.ranks.leads else nullcontext():
            yield

    def finished(self) -> dict[str, Any] | None:
        """Return rank 0's note, or None."""
        return self.ranks.lead(super().finished)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return the checkpoint that rank 0 found, or None."""
        return self.ranks.lead(super().load_checkpoint)

    def restore(self, module: nn.Module) -> None:
        """Load the finished weights into `module` on rank 0, and copy them to the others."""
        self.ranks.lead(lambda: super(SharedFolder, self).restore(module))
        self.ranks.copy(module.state_dict().values())

    def begin(self) -> None:
        """Write down on rank 0 which stage is trained."""
        self.ranks.lead(super().begin)

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Save the checkpoint on rank 0. The others do not wait for it."""
        if self.ranks.leads:
            super().save_checkpoint(state)

    def finish(self, module: nn.Module, note: Mapping[str, Any]) -> None:
        """Write weights and note on rank 0; all ranks then have its weights."""
        self.ranks.copy(module.state_dict().values())
        self.ranks.lead(lambda: super(SharedFolder, self).finish(module, note))


class SharedMetrics(MetricLogger):
    """Metrics whose means over an epoch are over the clips of all ranks, and equal on all of them."""

    def __init__(self, advice: str, ranks: Ranks) -> None:
        super().__init__(advice)
        self.ranks = ranks
        self._weights: dict[str, list[float]] = {}

    def add(self, key: str, value: Tensor | float) -> None:
        """Add one step's value of `key`, which counts by the number of this rank's clips in the batch."""
        super().add(key, value)
        self._weights.setdefault(key, []).append(self.ranks.weight)

    def clear(self) -> None:
        """Drop all values."""
        super().clear()
        self._weights.clear()

    def means(self, where: str) -> dict[str, float]:
        """Return each key's mean over steps and ranks, as `MetricLogger.means`. RunFailed is raised on all ranks."""
        own: dict[str, tuple[float, float]] = {}
        for key, values in self._values.items():
            shares = torch.tensor(self._weights[key], dtype=torch.float64)
            own[key] = float(torch.stack(values).double().cpu() @ shares), float(shares.sum())
        self.clear()
        found = self.ranks.gather(own)
        means: dict[str, float] = {}
        for key in dict.fromkeys(key for each in found for key in each):
            sums, weights = zip(*(each[key] for each in found if key in each), strict=True)
            means[key] = sum(sums) / sum(weights)
            if not math.isfinite(means[key]):
                raise self.diverged(f"{where}: the mean of {key} is {means[key]}")
        return {key: round(value, 6) for key, value in means.items()}
