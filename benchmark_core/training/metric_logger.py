"""Metrics that a training loop logs: the latest for the progress bar, the means of an epoch for the history."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from benchmark_core.errors import RunFailed

SHOWN = 4  # metrics next to a progress bar; all of them are kept


class MetricLogger:
    """Collect scalars by name. A value that is not finite stops the run.

    advice: how to avoid divergence, added to the error.
    """

    def __init__(self, advice: str) -> None:
        self.advice = advice
        self._values: dict[str, list[Tensor]] = {}
        self._read: dict[str, int] = {}  # number of values that `newest` has returned

    def add(self, key: str, value: Tensor | float) -> None:
        """Add one step's value of `key`, a scalar. A tensor stays on its device, so that a GPU is not synchronized."""
        kept = value.detach().float().reshape(()) if isinstance(value, Tensor) else torch.tensor(float(value))
        self._values.setdefault(key, []).append(kept)

    def clear(self) -> None:
        """Drop all values."""
        self._values.clear()
        self._read.clear()

    def newest(self) -> dict[str, Tensor]:
        """Return each key's mean over the values since the last call, on its device; no keys without new values."""
        found = {}
        for key, values in self._values.items():
            new = values[self._read.get(key, 0) :]
            self._read[key] = len(values)
            if new:
                found[key] = torch.stack(new).mean() if len(new) > 1 else new[0]
        return found

    def latest(self, where: str) -> dict[str, float]:
        """Return the latest values of the first `SHOWN` keys, and check those of all keys.

        Raises RunFailed, naming `where` and the key, if a value is not finite.
        """
        latest = {key: float(values[-1]) for key, values in self._values.items() if values}
        for key, value in latest.items():
            if not math.isfinite(value):
                raise self.diverged(f"{where}: {key} is {value}")
        return dict(list(latest.items())[:SHOWN])

    def means(self, where: str) -> dict[str, float]:
        """Return each key's mean over the steps since the last call, rounded to 6 digits, and drop the values.

        Raises RunFailed, naming `where` and the key, if a mean is not finite.
        """
        means = {key: float(torch.stack(values).mean()) for key, values in self._values.items()}
        self.clear()
        for key, value in means.items():
            if not math.isfinite(value):
                raise self.diverged(f"{where}: the mean of {key} is {value}")
        return {key: round(value, 6) for key, value in means.items()}

    def diverged(self, what: str) -> RunFailed:
        """Return the error for a value that is not finite."""
        return RunFailed(f"{what}; {self.advice}")
