"""Average predictions of groups of runs, and compare the mean with each part on the same clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from benchmark_core.errors import ElrError
from benchmark_core.records.clip_results import clip_decisions
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.stored import decisions_for
from benchmark_core.scoring.f1 import THRESHOLDS, Decisions
from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Difference
from benchmark_core.tables.compare import Pairing, compare_pairs
from elrbench_plugins.commands.fuse.groups import Groups

Read = Callable[[RunRecord], Predictions]
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


def fused(groups: Groups, read: Read, average: Average = fuse) -> Fused:
    """Return scores and paired differences of the mean.

    Args:
        groups: runs to average.
        read: returns the predictions of a run.
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
    rows = [[_mean_of(members, read, average) for members in row] for row in groups.members]

    def decisions(record: RunRecord) -> Decisions:
        return clip_decisions(record) if "decisions" in record else decisions_for(read(record), record["primary"])

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
        parts.append(Part(name, digests, sum(scores) / len(scores), compare_pairs(pairing, decisions).difference))
    return Fused(metric, _scores(rows, first.shares, metric), len(first.sizes), sum(first.sizes), tuple(parts))


def _mean_of(members: Sequence[RunRecord], read: Read, average: Average) -> RunRecord:
    """Return a record with the scores of the mean. It exists only to be compared."""
    first = members[0]
    scored = average([read(member) for member in members]).scored(first["primary"])
    own = {key: value for key, value in first.items() if key != "decisions"}
    return cast(RunRecord, own | scored.to_json(first["primary"]))


def _scores(rows: Sequence[Sequence[RunRecord]], shares: Sequence[float], metric: str) -> tuple[float, ...]:
    """Return a score per row of folds. shares: weight of each fold."""
    return tuple(
        sum(share * record["scores"][metric]["value"] for share, record in zip(shares, row, strict=True))
        for row in rows
    )
