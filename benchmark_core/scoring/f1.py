"""F1 of clips with several labels: from what was decided of each clip and class, over any weighting of clips."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.statistics import Floats, Hits

RAW_THRESHOLD = 0.5  # of a logit that is taken for a probability

# A class is predicted where its logit is above this.
THRESHOLDS: Mapping[str, float] = {
    "f1_macro": 0.0,
    "f1_micro": 0.0,
    "f1_samples": 0.0,
    f"f1_macro_logit{RAW_THRESHOLD}": RAW_THRESHOLD,
    f"f1_samples_logit{RAW_THRESHOLD}": RAW_THRESHOLD,
}


@dataclass(frozen=True)
class Counts:
    """True positives, and positives plus predictions (2 TP + FP + FN), of each clip and class: float (N, C).

    Every F1 takes clip weights (r, N) and gives (r,): one definition for the score (weights 1) and for its bootstrap.
    """

    both: Floats
    either: Floats

    @classmethod
    def of(cls, truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> Counts:
        """From 0/1 targets and predictions (N, C)."""
        return cls((truth & predicted).astype(np.float64), truth.astype(np.float64) + predicted)

    def per_class(self, weights: Floats) -> Floats:
        """F1 of each class, (r, C)."""
        return f1(weights @ self.both, weights @ self.either)

    def macro(self, weights: Floats) -> Floats:
        """Mean over classes."""
        mean: Floats = self.per_class(weights).mean(axis=1)
        return mean

    def micro(self, weights: Floats) -> Floats:
        """Counts summed over classes."""
        return f1(weights @ self.both.sum(axis=1), weights @ self.either.sum(axis=1))

    def samples(self, weights: Floats) -> Floats:
        """Mean over clips."""
        mean: Floats = weights @ f1(self.both.sum(axis=1), self.either.sum(axis=1)) / weights.sum(axis=1)
        return mean

    def metric(self, name: str) -> Callable[[Floats], Floats]:
        """The F1 of that name, one of `THRESHOLDS`, whatever threshold these counts were made with."""
        of: dict[str, Callable[[Floats], Floats]] = {"macro": self.macro, "micro": self.micro, "samples": self.samples}
        return of[name.split("_")[1]]


def f1(both: Floats, either: Floats) -> Floats:
    """2 TP / (2 TP + FP + FN), 0 where that is 0/0."""
    return np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0)


@dataclass(frozen=True, eq=False)
class Decisions:
    """What clips have and what was predicted of them: bool (N, C) each, clips sorted by id."""

    truth: Hits
    predicted: Hits

    @functools.cached_property
    def counts(self) -> Counts:
        """Of every clip and class."""
        return Counts.of(self.truth, self.predicted)

    def value(self, metric: str) -> float:
        """The F1 of that name over all clips."""
        return float(self.counts.metric(metric)(np.ones((1, len(self.truth))))[0])

    def per_class(self) -> tuple[float | None, ...]:
        """F1 of each class; None where a class is neither there nor predicted."""
        values = self.counts.per_class(np.ones((1, len(self.truth))))[0].tolist()
        defined = np.any(self.truth | self.predicted, axis=0).tolist()
        return tuple(value if there else None for value, there in zip(values, defined, strict=True))
