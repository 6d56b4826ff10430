"""Differences per class between two methods: recall for single-label, F1 for multi-label tasks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from benchmark_core.records.clip_results import clip_decisions
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import f1
from benchmark_core.scoring.paired import holm_adjust, sign_flip_test, swap_test
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import ALPHA
from benchmark_core.tables.compare import Pairing, ReadDecisions, pair_hits, require_same_labels

ReadPredictions: TypeAlias = Callable[[RunRecord], Predictions | None]


@dataclass(frozen=True)
class ClassDifference:
    """Scores of two methods in one class.

    Attributes:
        name: the class.
        n: number of its clips in all folds.
        a, b: scores, mean over seeds; None for 0/0.
        p: two-sided p over the clips of the class; None if the labels of the clips are unknown.
        significant: whether the difference is significant at 5 % over all classes together (Holm's adjustment).
    """

    name: str
    n: int
    a: float | None
    b: float | None
    p: float | None = None
    significant: bool = False

    @property
    def difference(self) -> float | None:
        """a − b; None if a score is missing."""
        return None if self.a is None or self.b is None else self.a - self.b


def class_differences(
    pairing: Pairing, read_predictions: ReadPredictions, read_decisions: ReadDecisions = clip_decisions
) -> list[ClassDifference]:
    """Return the classes that have test clips, largest gain first, undefined differences last. Folds are pooled.

    Args:
        pairing: the runs.
        read_predictions: returns a run's predictions, or None if they are not available. For single-label tasks they
            give the class of each clip. Without them, recalls are read from the records and not tested.
        read_decisions: returns a multi-label run's decisions; by default those in the record.

    Raises:
        ElrError: if labels differ between runs.
    """
    if pairing.first[0]["track"]["task"] == "single-label":
        targets = _targets(pairing, read_predictions)
        found = _recalls(pairing) if targets is None else _tested_recalls(pairing, targets)
    else:
        found = _tested_f1s(pairing, read_decisions)
    found = [each for each in found if each.n]
    tested = [each for each in found if each.p is not None]
    adjusted = holm_adjust([each.p for each in tested if each.p is not None])
    significant = {each.name: p < ALPHA for each, p in zip(tested, adjusted, strict=True)}
    found = [replace(each, significant=significant.get(each.name, False)) for each in found]
    return sorted(found, key=lambda each: (each.difference is None, -(each.difference or 0.0), each.name))


def _targets(pairing: Pairing, read_predictions: ReadPredictions) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """Return the class of each clip, folds concatenated (N,); None if a fold has no predictions."""
    parts = []
    for fold in range(len(pairing.sizes)):
        runs = (run for row in pairing.runs for run in row[fold])
        known = next((found for found in map(read_predictions, runs) if found is not None), None)
        if known is None:
            return None
        parts.append(known.targets)
    targets: np.ndarray[tuple[int], np.dtype[np.int64]] = np.concatenate(parts)
    return targets


def _tested_recalls(pairing: Pairing, targets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[ClassDifference]:
    left, right = (hits.astype(np.int64) for hits in pair_hits(pairing))  # (S, N)
    found = []
    for number, name in enumerate(pairing.first[0]["per_class"]["classes"]):
        of_class = targets == number
        a, b = left[:, of_class], right[:, of_class]  # (S, clips of the class)
        if of_class.any():
            p = sign_flip_test((a - b).sum(axis=0))
            found.append(ClassDifference(name, int(of_class.sum()), float(a.mean()), float(b.mean()), p))
    return found


def _recalls(pairing: Pairing) -> list[ClassDifference]:
    """Return recalls from the records, without tests."""
    return [
        ClassDifference(name, n, _recall(pairing, number, 0), _recall(pairing, number, 1))
        for number, (name, n) in enumerate(
            zip(
                pairing.first[0]["per_class"]["classes"],
                [sum(ns) for ns in zip(*(a["per_class"]["n"] for a, _ in pairing.runs[0]), strict=True)],
                strict=True,
            )
        )
    ]


def _recall(pairing: Pairing, number: int, side: int) -> float | None:
    """Return the recall of a class over all folds, mean over seeds. side: 0 for a, 1 for b."""
    hits, clips = [], 0
    for row in pairing.runs:
        for run in row:
            per_class = run[side]["per_class"]
            clips += per_class["n"][number]
            hits.append(per_class["n"][number] * (per_class["value"][number] or 0.0))
    return math.fsum(hits) / clips if clips else None


def _tested_f1s(pairing: Pairing, read_decisions: ReadDecisions) -> list[ClassDifference]:
    for row in pairing.runs:
        for one, other in row:
            require_same_labels(one, other, read_decisions)
    a, b = ([[read_decisions(run[side]) for run in row] for row in pairing.runs] for side in (0, 1))
    truth = np.stack([np.concatenate([fold.truth for fold in row]) for row in a])  # (S, N, C)
    left, right = (np.stack([np.concatenate([fold.predicted for fold in row]) for row in side]) for side in (a, b))
    found = []
    for number, name in enumerate(pairing.first[0]["per_class"]["classes"]):
        labels, one, two = truth[:, :, number], left[:, :, number], right[:, :, number]
        p = swap_test(labels, one, two)
        found.append(ClassDifference(name, int(labels[0].sum()), _f1(labels, one), _f1(labels, two), p))
    return found


def _f1(
    truth: np.ndarray[tuple[int, int], np.dtype[np.bool_]], predicted: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
) -> float | None:
    """Return the F1 of one class, mean over seeds, from bool (S, N); None without labels and predictions."""
    either = (truth.sum(axis=1) + predicted.sum(axis=1)).astype(np.float64)
    return float(f1((truth & predicted).sum(axis=1).astype(np.float64), either).mean()) if either.any() else None
