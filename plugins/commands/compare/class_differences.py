"""Which classes two sides differ in: recall of each, or F1 where clips have several labels."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from benchmark_core.records.clip_results import decisions_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import f1
from benchmark_core.scoring.paired import holm, sign_flip, swap_test
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import ALPHA
from benchmark_core.tables.compare import Pairing, Tell, paired_hits, refuse_other_truth

Stored: TypeAlias = Callable[[RunRecord], Predictions | None]


@dataclass(frozen=True)
class Moved:
    """One class: clips of it in all folds, score of either side (mean over seeds; None where that is 0/0), a − b.

    p: two-sided, exact over the clips of the class; None where the labels of clips are not known. parts: whether it
    holds at 5 % for all classes together, by Holm's adjustment.
    """

    name: str
    n: int
    a: float | None
    b: float | None
    p: float | None = None
    parts: bool = False

    @property
    def difference(self) -> float | None:
        """a − b, where there are both."""
        return None if self.a is None or self.b is None else self.a - self.b


def moved_classes(pairing: Pairing, stored: Stored, tell: Tell = decisions_of) -> list[Moved]:
    """Greatest gain first, classes without a difference last. Folds are pooled.

    stored: a run's predictions, or None where they are not at hand: of clips with one label, one run's for each fold
    say which clips are of a class; without, recalls are the records' own and no class has a test. tell: as `compare`
    has it, of clips with several labels. Raises ElrError where labels differ between runs.
    """
    if pairing.first[0]["track"]["task"] == "single-label":
        targets = _targets(pairing, stored)
        found = _recalls(pairing) if targets is None else _tested_recalls(pairing, targets)
    else:
        found = _tested_f1s(pairing, tell)
    tested = [moved for moved in found if moved.p is not None]
    adjusted = holm([moved.p for moved in tested if moved.p is not None])
    parts = {moved.name: p < ALPHA for moved, p in zip(tested, adjusted, strict=True)}
    marked = [replace(moved, parts=parts.get(moved.name, False)) for moved in found]
    return sorted(marked, key=lambda moved: (moved.difference is None, -(moved.difference or 0.0), moved.name))


def _targets(pairing: Pairing, stored: Stored) -> np.ndarray[tuple[int], np.dtype[np.int64]] | None:
    """The class of each clip, folds one after the other."""
    parts = []
    for fold in range(len(pairing.sizes)):
        runs = (run for row in pairing.runs for run in row[fold])
        known = next((found for found in map(stored, runs) if found is not None), None)
        if known is None:
            return None
        parts.append(known.targets)
    targets: np.ndarray[tuple[int], np.dtype[np.int64]] = np.concatenate(parts)
    return targets


def _tested_recalls(pairing: Pairing, targets: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[Moved]:
    left, right = (hits.astype(np.int64) for hits in paired_hits(pairing))  # (S, N)
    found = []
    for number, name in enumerate(pairing.first[0]["per_class"]["classes"]):
        of = targets == number
        a, b = left[:, of], right[:, of]
        if not of.any():
            found.append(Moved(name, 0, None, None))
            continue
        p = sign_flip((a - b).sum(axis=0))
        found.append(Moved(name, int(of.sum()), float(a.mean()), float(b.mean()), p))
    return found


def _recalls(pairing: Pairing) -> list[Moved]:
    """From what the records say of classes."""
    return [
        Moved(name, n, _recall(pairing, number, 0), _recall(pairing, number, 1))
        for number, (name, n) in enumerate(
            zip(
                pairing.first[0]["per_class"]["classes"],
                [sum(ns) for ns in zip(*(a["per_class"]["n"] for a, _ in pairing.runs[0]), strict=True)],
                strict=True,
            )
        )
    ]


def _recall(pairing: Pairing, number: int, side: int) -> float | None:
    """Right clips over clips, of all folds; mean over seeds."""
    right, clips = [], 0
    for row in pairing.runs:
        for run in row:
            per_class = run[side]["per_class"]
            clips += per_class["n"][number]
            right.append(per_class["n"][number] * (per_class["value"][number] or 0.0))
    return math.fsum(right) / clips if clips else None


def _tested_f1s(pairing: Pairing, tell: Tell) -> list[Moved]:
    for row in pairing.runs:
        for one, other in row:
            refuse_other_truth(one, other, tell)
    a, b = ([[tell(run[side]) for run in row] for row in pairing.runs] for side in (0, 1))
    truth = np.stack([np.concatenate([fold.truth for fold in row]) for row in a])  # (S, N, C)
    left, right = (np.stack([np.concatenate([fold.predicted for fold in row]) for row in side]) for side in (a, b))
    found = []
    for number, name in enumerate(pairing.first[0]["per_class"]["classes"]):
        of = truth[:, :, number], left[:, :, number], right[:, :, number]
        p = swap_test(*of) if any(part.any() for part in of) else None
        found.append(Moved(name, int(of[0][0].sum()), _f1(of[0], of[1]), _f1(of[0], of[2]), p))
    return found


def _f1(
    truth: np.ndarray[tuple[int, int], np.dtype[np.bool_]], said: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
) -> float | None:
    """Mean over seeds of (S, N); None where no clip has the class and none is said to."""
    either = (truth.sum(axis=1) + said.sum(axis=1)).astype(np.float64)
    return float(f1((truth & said).sum(axis=1).astype(np.float64), either).mean()) if either.any() else None
