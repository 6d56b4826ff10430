"""Compare an exported file with its run on the same test clips: scores, classes, probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark_core.records.stored import decisions_for
from benchmark_core.scoring.f1 import THRESHOLDS
from benchmark_core.scoring.paired import f1_draws
from benchmark_core.scoring.predicted import Predicted
from benchmark_core.scoring.predictions import Predictions, as_written
from benchmark_core.scoring.scores import Score
from benchmark_core.scoring.statistics import Difference, Floats, paired_bootstrap, percentile

TOLERANCE = 1e-4  # of a probability
ROUNDED = 1e-2  # the same if the file gets frames that the run does not round to whole grey levels


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """A file compared with its run.

    metric: the primary score. run, file: the score of each. difference: file − run, with a paired 95 % interval over
    clips; None if the score is no mean over clips.
    same: clips with the same class, or the same set of classes. largest: largest difference of a probability.
    tolerance: difference of a probability that is allowed.
    """

    metric: str
    run: Score
    file: Score
    difference: Difference | None
    same: int
    largest: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """Whether all clips get the same class, and probabilities are equal to the tolerance."""
        return self.same == self.run.n and self.largest <= self.tolerance

    def to_json(self) -> dict[str, Any]:
        """Return the fields for `export.json`."""
        found = self.difference
        return {
            "metric": self.metric,
            "clips": self.run.n,
            "run_score": _score(self.run),
            "file_score": _score(self.file),
            "difference": found and {"value": found.value, "low": found.low, "high": found.high},
            "same_classes": self.same,
            "largest_difference": self.largest,
            "tolerance": self.tolerance,
            "agrees": self.holds,
        }


def by_id(predicted: Predicted, classes: Sequence[str]) -> Predictions:
    """Return predictions with clips sorted by id, as scores and intervals need them."""
    assert predicted.targets is not None
    order = sorted(range(len(predicted.ids)), key=lambda row: predicted.ids[row])
    ids = tuple(predicted.ids[row] for row in order)
    return Predictions(ids, predicted.targets[order], predicted.logits[order].astype(np.float64), tuple(classes))


def agreement(run: Predictions, file: Predictions, metric: str, *, rounded: bool) -> Agreement:
    """Compare the predictions of a file with those of its run, on the same clips sorted by id.

    rounded: the file gets frames that were resized or degraded and then rounded to whole grey levels.

    Scores are those of the logits as a record has them, with four digits; probabilities are those of all digits.
    """
    multi_label = run.targets.ndim == 2
    one, other = (as_written(each.ids, each.targets, each.logits, each.classes).scored(metric) for each in (run, file))
    probabilities = [probability(each.logits, multi_label=multi_label) for each in (run, file)]
    if multi_label:
        same = ((run.logits > 0) == (file.logits > 0)).all(1)
    else:
        same = run.logits.argmax(1) == file.logits.argmax(1)
    difference = None
    if one.hits is not None and other.hits is not None and metric == "top1":
        difference = paired_bootstrap(other.hits, one.hits)
    elif metric in THRESHOLDS:
        draws = [f1_draws(decisions_for(each, metric), metric) for each in (run, file)]
        value = other.scores[metric].value - one.scores[metric].value
        difference = Difference(value, *percentile(draws[1] - draws[0]), len(run.ids))
    return Agreement(
        metric=metric,
        run=one.scores[metric],
        file=other.scores[metric],
        difference=difference,
        same=int(same.sum()),
        largest=float(np.abs(probabilities[0] - probabilities[1]).max()),
        tolerance=ROUNDED if rounded else TOLERANCE,
    )


def probability(logits: Floats, *, multi_label: bool) -> Floats:
    """Return the sigmoid or the softmax of logits (N, C)."""
    if multi_label:
        return np.exp(-np.logaddexp(0, -logits))
    return np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))


def _score(score: Score) -> dict[str, float]:
    return {"value": score.value, "low": score.low, "high": score.high}
