"""Scores of a test set from its logits (N, C), with intervals over clips.

Single-label, targets int (N,):
    top1, top5    share of clips whose class is among the 1 or 5 highest logits. Of equal logits, the lower class number
                  comes first. Interval: Wilson, 95 %.
    per class     recall: share of the class's clips that are correct.
Single-label with metric pair_auc, of classes that may be absent in training:
    pair_auc      area under the ROC curve of pairs of test clips: do both have one class? See `scoring.pairs`, also for
                  its interval. It is the only score: no class is predicted, so that there are no hits and no recall.
Multi-label, targets 0/1 (N, C); a class is predicted if sigmoid(logit) > 0.5, that is logit > 0:
    f1_macro      mean over all C classes of F1 = 2 TP / (2 TP + FP + FN)
    f1_micro      the same for counts summed over classes
    f1_samples    mean over clips of the clip's own F1
    f1_macro_logit0.5, f1_samples_logit0.5
                  the same, but a class is predicted if logit > 0.5, that is sigmoid(logit) > 0.6225, as in
                  TinyVIRAT's test code (macro) and training code (samples)
    map           mean over classes with at least one positive of average precision, Σ (R_k − R_{k−1}) P_k over
                  distinct logits k in descending order; clips with equal logits enter together
    per class     the class's F1
    Interval: 95 % percentile bootstrap over clips, seeded.
F1 without labels and predictions (0/0) counts as 0, as in scikit-learn, torchmetrics and TinyVIRAT's test code, so
f1_macro always divides by C. Per class it is None, like the recall of a class without clips.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import RunFailed
from benchmark_core.scoring.f1 import RAW_THRESHOLD, THRESHOLDS, Decisions
from benchmark_core.scoring.hits import pack_hits, pack_rows
from benchmark_core.scoring.pairs import MOST_PEOPLE, PAIRS, verify
from benchmark_core.scoring.statistics import Floats, Hits, bootstrap, wilson


@dataclass(frozen=True)
class Score:
    """A score as a fraction, with its 95 % interval over `n` clips."""

    value: float
    low: float
    high: float
    n: int
    interval: str  # "wilson95" | "bootstrap95"


@dataclass(frozen=True)
class PerClass:
    """Number of clips and recall or F1 of each class; None for 0/0."""

    classes: tuple[str, ...]
    n: tuple[int, ...]
    value: tuple[float | None, ...]


@dataclass(frozen=True)
class Scored:
    """All scores of one test set.

    Attributes:
        scores: scores by name.
        per_class: scores per class.
        hits: correct clips, bool (N,), in the order of the input; None for multi-label and for pairs.
        decided: multi-label, labels and predictions of each F1, by its name.
    """

    scores: Mapping[str, Score]
    per_class: PerClass
    hits: Hits | None
    decided: Mapping[str, Decisions] = field(default_factory=dict)

    def to_json(self, primary: str = "") -> dict[str, Any]:
        """Return `scores`, `per_class` and `hits` of a run record, and `decisions` if `primary` is an F1."""
        fields: dict[str, Any] = {
            "scores": {name: asdict(score) for name, score in self.scores.items()},
            "per_class": {name: list(values) for name, values in asdict(self.per_class).items()},
            "hits": None if self.hits is None else pack_hits(self.hits),
        }
        if primary in self.decided:
            of = self.decided[primary]
            bits = {"predicted": pack_rows(of.predicted.T), "truth": pack_rows(of.truth.T)}
            fields["decisions"] = {"threshold": THRESHOLDS[primary], **bits}
        return fields


def score(logits: npt.NDArray[Any], targets: npt.NDArray[Any], classes: Sequence[str], metric: str = "") -> Scored:
    """Score logits (N, C): single-label for targets (N,), multi-label for targets (N, C).

    metric: of the dataset. Pairs are scored if it is "pair_auc", else classes.

    Raises:
        RunFailed: if a logit is not finite, or with "pair_auc" if no two clips have one class, if all have, or if there
            are more than 200 classes.
    """
    logits = np.asarray(logits, dtype=np.float64)
    targets = np.asarray(targets)
    shape = (len(targets), len(classes))
    if logits.shape != shape or targets.shape not in (shape, shape[:1]) or not logits.size:
        raise ValueError(f"logits {logits.shape} and targets {targets.shape} do not fit {len(classes)} classes")
    not_finite = int((~np.isfinite(logits)).any(axis=1).sum())
    if not_finite:
        raise RunFailed(
            f"{not_finite} of {len(logits)} test clips have logits that are not finite; "
            "lower the learning rate or use fp32"
        )
    if metric == PAIRS:
        return score_pairs(logits, targets, classes)
    of_task = score_single_label if targets.ndim == 1 else score_multi_label
    return of_task(logits, targets, classes)


def score_single_label(logits: Floats, targets: npt.NDArray[Any], classes: Sequence[str]) -> Scored:
    """Return top1 and top5 of logits (N, C) for targets int (N,)."""
    rank = target_rank(logits, targets)
    hits = rank == 0
    n = np.bincount(targets, minlength=len(classes))
    correct = np.bincount(targets, weights=hits, minlength=len(classes))
    recall = tuple(float(r / k) if k else None for r, k in zip(correct, n, strict=True))
    return Scored(
        scores={"top1": _share(hits), "top5": _share(rank < 5)},
        per_class=PerClass(tuple(classes), tuple(int(k) for k in n), recall),
        hits=hits,
    )


def score_pairs(logits: Floats, targets: npt.NDArray[Any], classes: Sequence[str]) -> Scored:
    """Return pair_auc of logits (N, C) for targets int (N,)."""
    found = verify([[(logits, targets)]])
    if found is None or found.area.low is None or found.area.high is None:
        raise RunFailed(
            f"pair_auc needs test clips of 2 to {MOST_PEOPLE} classes, and most resamples of them need two clips of "
            "one class; change the list of test clips"
        )
    n = np.bincount(targets, minlength=len(classes))
    return Scored(
        scores={PAIRS: Score(found.area.value, found.area.low, found.area.high, len(targets), "bootstrap95")},
        per_class=PerClass(tuple(classes), tuple(int(k) for k in n), (None,) * len(classes)),
        hits=None,
    )


def target_rank(logits: Floats, targets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """Return how many classes rank before the target, int (N,): higher logit, or equal logit and lower number."""
    own = np.take_along_axis(logits, targets[:, None], axis=1)  # (N, 1)
    earlier = np.arange(logits.shape[1]) < targets[:, None]  # (N, C)
    ahead: npt.NDArray[np.int64] = ((logits > own) | ((logits == own) & earlier)).sum(axis=1)
    return ahead


def _share(hits: Hits) -> Score:
    rate = float(hits.mean())
    return Score(rate, *wilson(rate, len(hits)), len(hits), "wilson95")


def score_multi_label(logits: Floats, targets: npt.NDArray[Any], classes: Sequence[str], seed: int = 0) -> Scored:
    """Return F1 scores and mean average precision of logits (N, C) for targets 0/1 (N, C)."""
    truth = targets > 0
    usual, raw = Decisions(truth, logits > 0), Decisions(truth, logits > RAW_THRESHOLD)
    decided = {name: raw if threshold else usual for name, threshold in THRESHOLDS.items()}
    order = np.argsort(-logits, axis=0, kind="stable")
    metrics: dict[str, Callable[[Floats], Floats]] = {
        "f1_macro": usual.counts.macro,
        "f1_micro": usual.counts.micro,
        "f1_samples": usual.counts.samples,
        "map": lambda weights: mean_average_precision(logits, truth, order, weights),
        f"f1_macro_logit{RAW_THRESHOLD}": raw.counts.macro,
        f"f1_samples_logit{RAW_THRESHOLD}": raw.counts.samples,
    }
    return Scored(
        scores={name: _bootstrapped(metric, len(logits), seed) for name, metric in metrics.items()},
        per_class=PerClass(tuple(classes), tuple(int(n) for n in truth.sum(axis=0)), usual.per_class()),
        hits=None,
        decided=decided,
    )


def _bootstrapped(metric: Callable[[Floats], Floats], n: int, seed: int) -> Score:
    value = float(metric(np.ones((1, n)))[0])
    return Score(value, *bootstrap(metric, n, seed=seed), n, "bootstrap95")


def mean_average_precision(
    logits: Floats, truth: npt.NDArray[np.bool_], order: npt.NDArray[np.int64], weights: Floats
) -> Floats:
    """Return the mean over classes of average precision, (r,).

    Classes without positives in a replicate are left out of its mean; the mean is 0 if no class has positives.

    Args:
        logits: (N, C).
        truth: labels, bool (N, C).
        order: indices that sort each class by descending logit, (N, C).
        weights: clip weights, (r, N).
    """
    total = np.zeros(len(weights))
    seen = np.zeros(len(weights))
    for column in np.flatnonzero(truth.any(axis=0)):
        rows = order[:, column]
        sorted_logits = logits[rows, column]
        last = np.append(sorted_logits[1:] != sorted_logits[:-1], True)  # last clip of each distinct logit
        drawn = weights[:, rows]  # (r, N)
        found = np.cumsum(drawn * truth[rows, column], axis=1)[:, last]
        taken = np.cumsum(drawn, axis=1)[:, last]
        precision = np.divide(found, taken, out=np.zeros_like(found), where=taken > 0)
        gained = np.diff(found, axis=1, prepend=0.0)
        positives = found[:, -1]
        area = (gained * precision).sum(axis=1)
        total += np.divide(area, positives, out=np.zeros_like(area), where=positives > 0)
        seen += positives > 0
    return np.divide(total, seen, out=np.zeros_like(total), where=seen > 0)
