"""Average predictions of groups of runs, and compare the mean with each part on the same clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import THRESHOLDS
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Difference
from benchmark_core.tables.compare import Pairing, compare_pairs
from benchmark_core.tables.selected_predictions import SelectedPredictions
from elrbench_plugins.commands.fuse.groups import Groups

Average = Callable[[Sequence[Predictions]], Predictions]


@dataclass(frozen=True)
class Part:
    """What is averaged. gain: mean − this part, paired."""

    name: str
    digests: tuple[str, ...]
    score: float
    gain: Difference


@dataclass(frozen=True)
class Fused:
    """Scores of the mean, one per seed (one if seeds were averaged), and its parts."""

    metric: str
    scores: tuple[float, ...]
    folds: int
    clips: int
    parts: tuple[Part, ...]


def fused(groups: Groups, stored: SelectedPredictions, average: Average = fuse) -> Fused:
    """Return scores and paired differences of the mean.

    Args:
        groups: runs to average.
        stored: predictions of these runs.
        average: returns the mean of several predictions of the same clips. Default: of probabilities.

    Raises:
        ElrError: if the runs are scored by something that has no result per clip.
    """
    metric = groups.members[0][0][0]["primary"]
    if metric != "top1" and metric not in THRESHOLDS:
        raise ElrError(
            f"runs scored by {metric} cannot be fused, because it has no result per clip; "
            "choose a track scored by top1 or an F1"
        )
    rows = [[_mean_of(members, stored, average) for members in row] for row in groups.members]

    def paired(part: int) -> Pairing:
        runs = (
            tuple((mean, members[part]) for mean, members in zip(averaged, row, strict=True))
            for averaged, row in zip(rows, groups.members, strict=True)
        )
        return Pairing(groups.seeds or (0,), tuple(runs))

    first = paired(0)
    parts = []
    for number, name in enumerate(groups.names):
        pairing = paired(number)
        own = [[one for _, one in row] for row in pairing.runs]
        scores = _scores(own, pairing.shares, metric)
        digests = tuple(one["digest"] for row in own for one in row)
        parts.append(
            Part(name, digests, sum(scores) / len(scores), compare_pairs(pairing, stored.decisions).difference)
        )
    return Fused(metric, _scores(rows, first.shares, metric), len(first.sizes), sum(first.sizes), tuple(parts))


def _mean_of(members: Sequence[RunRecord], stored: SelectedPredictions, average: Average) -> RunRecord:
    """Return a record with the scores of the mean. It exists only to be compared."""
    first = members[0]
    scored = average([stored.read(member) for member in members]).scored(first["primary"])
    own = {key: value for key, value in first.items() if key != "decisions"}
    return cast(RunRecord, own | scored.to_json(first["primary"]))


def _scores(rows: Sequence[Sequence[RunRecord]], shares: Sequence[float], metric: str) -> tuple[float, ...]:
    """Return a score per row of folds. shares: weight of each fold."""
    return tuple(
        sum(share * record["scores"][metric]["value"] for share, record in zip(shares, row, strict=True))
        for row in rows
    )
