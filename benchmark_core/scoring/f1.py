"""F1 scores of multi-label predictions, for any weighting of clips."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.statistics import Floats, Hits

RAW_THRESHOLD = 0.5  # applied to logits as if they were probabilities, as TinyVIRAT's code does

# A class is predicted if its logit is above this.
THRESHOLDS: Mapping[str, float] = {
    "f1_macro": 0.0,
    "f1_micro": 0.0,
    "f1_samples": 0.0,
    f"f1_macro_logit{RAW_THRESHOLD}": RAW_THRESHOLD,
    f"f1_samples_logit{RAW_THRESHOLD}": RAW_THRESHOLD,
}


@dataclass(frozen=True)
class Counts:
    """Counts per clip and class: true positives (`both`), and labels plus predictions (`either`, 2 TP + FP + FN).

    Both are float (N, C). Every F1 takes clip weights (r, N) and returns (r,). The weights are ones for the score, and
    resampling counts for its bootstrap.
    """

    both: Floats
    either: Floats

    @classmethod
    def of(cls, truth: npt.NDArray[np.bool_], predicted: npt.NDArray[np.bool_]) -> Counts:
        """Return the counts of labels and predictions, bool (N, C)."""
        return cls((truth & predicted).astype(np.float64), truth.astype(np.float64) + predicted)

    def per_class(self, weights: Floats) -> Floats:
        """Return the F1 of each class, (r, C)."""
        return f1(weights @ self.both, weights @ self.either)

    def macro(self, weights: Floats) -> Floats:
        """Return the mean over classes, (r,)."""
        mean: Floats = self.per_class(weights).mean(axis=1)
        return mean

    def micro(self, weights: Floats) -> Floats:
        """Return the F1 of counts summed over classes, (r,)."""
        return f1(weights @ self.both.sum(axis=1), weights @ self.either.sum(axis=1))

    def samples(self, weights: Floats) -> Floats:
        """Return the mean over clips of the clip's own F1, (r,)."""
        mean: Floats = weights @ f1(self.both.sum(axis=1), self.either.sum(axis=1)) / weights.sum(axis=1)
        return mean

    def metric(self, name: str) -> Callable[[Floats], Floats]:
        """Return the F1 function for a name in `THRESHOLDS`. The counts keep the threshold they were made with."""
        averages: dict[str, Callable[[Floats], Floats]] = {
            "macro": self.macro,
            "micro": self.micro,
            "samples": self.samples,
        }
        return averages[name.split("_")[1]]


def f1(both: Floats, either: Floats) -> Floats:
    """Return 2 TP / (2 TP + FP + FN), and 0 for 0/0."""
    return np.divide(2 * both, either, out=np.zeros_like(both), where=either > 0)


@dataclass(frozen=True, eq=False)
class Decisions:
    """Labels and predictions, bool (N, C) each. Clips are sorted by id."""

    truth: Hits
    predicted: Hits

    @functools.cached_property
    def counts(self) -> Counts:
        """Counts per clip and class."""
        return Counts.of(self.truth, self.predicted)

    def value(self, metric: str) -> float:
        """Return the F1 named `metric` over all clips."""
        return float(self.counts.metric(metric)(np.ones((1, len(self.truth))))[0])

    def per_class(self) -> tuple[float | None, ...]:
        """Return the F1 of each class; None for a class without labels and predictions."""
        values = self.counts.per_class(np.ones((1, len(self.truth))))[0].tolist()
        defined = np.any(self.truth | self.predicted, axis=0).tolist()
        return tuple(value if is_defined else None for value, is_defined in zip(values, defined, strict=True))
