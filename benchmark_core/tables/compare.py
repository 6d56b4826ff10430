"""Two methods on the same test clips: a paired difference with its interval, and McNemar's test of each seed.

Of clips with one label the difference is of accuracies, and records hold what it needs. Of clips with several it is of
the primary F1, from the decisions in the records, or from the predictions beside them; there accuracy is no score, and
McNemar's test of it is left out.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.records.clip_results import decisions_of, hits_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import THRESHOLDS, Decisions
from benchmark_core.scoring.hits import unpack_rows
from benchmark_core.scoring.paired import f1_draws
from benchmark_core.scoring.statistics import (
    Difference,
    Floats,
    Hits,
    mcnemar,
    paired_bootstrap,
    percentile,
    smallest_paired_difference,
    smallest_shown,
)

Tell: TypeAlias = Callable[[RunRecord], Decisions]
_FEWEST = 6  # clips that differ: of five, all one way, two-sided p is 2 / 2⁵ = 0.0625


@dataclass(frozen=True)
class Pairing:
    """Runs of two sides on the same clips: `runs[s][f]` is (a, b) of the s-th seed and the f-th fold."""

    seeds: tuple[int, ...]
    runs: tuple[tuple[tuple[RunRecord, RunRecord], ...], ...]

    @property
    def first(self) -> tuple[RunRecord, RunRecord]:
        """Any pair: what all have in common is read from it."""
        return self.runs[0][0]

    @property
    def shares(self) -> tuple[float, ...]:
        """What each fold counts in a score: its share of the clips where the protocol pools, else all alike."""
        sizes = self.sizes
        pooled = self.first[0]["track"].get("pooled", False)
        return tuple(n / sum(sizes) if pooled else 1 / len(sizes) for n in sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Test clips of each fold."""
        return tuple(a["scores"][a["primary"]]["n"] for a, _ in self.runs[0])


@dataclass(frozen=True)
class Comparison:
    """a − b. `difference.n`: clips of all folds. Seed by seed, for seeds share their clips: `only`, on how many clips
    just one of the two was right, and `p`, McNemar's exact p; both empty for multi-label.

    smallest: what a test at 5 % finds on these clips with power 80 %; None where no difference could be that large.
    discordant: the share of clips on which just one was right (of several seeds: the mean square of a clip's
        difference); None for multi-label, where `smallest` is of the bootstrap's standard deviation.
    """

    a: str
    b: str
    difference: Difference
    seeds: tuple[int, ...]
    p: tuple[float, ...]
    metric: str = "top1"
    only: tuple[tuple[int, int], ...] = ()
    smallest: float | None = None
    discordant: float | None = None

    def text(self) -> str:
        """`cstat:mlp+rc − supervised:matched: +2.30 points [+0.40, +4.20], n = 2000, 3 seeds, McNemar p = 0.012, …`"""
        found = self.difference
        value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
        seeds = "1 seed" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        p = f", McNemar p = {', '.join(f'{value:.2g}' for value in self.p)}" if self.p else ""
        return f"{self.a} − {self.b}: {value} points [{low}, {high}], n = {found.n}, {seeds}{p}"


def compare(a: RunRecord, b: RunRecord, tell: Tell = decisions_of) -> Comparison:
    """Two runs on one fold, whatever their seeds. ElrError where they were not scored on the same clips.

    tell: what was decided of a run's clips with several labels; by default as the record holds it.
    """
    return compare_pairs(pair(a, b), tell)


def compare_groups(a: Sequence[RunRecord], b: Sequence[RunRecord], tell: Tell = decisions_of) -> Comparison:
    """Runs of two methods, paired by seed and fold; clips are drawn jointly for all seeds. See `pair_groups`."""
    return compare_pairs(pair_groups(a, b), tell)


def pair(a: RunRecord, b: RunRecord) -> Pairing:
    """Two runs on one fold, whatever their seeds. ElrError where they were not scored on the same clips."""
    _refuse_apart(a, b)
    return Pairing((a["plan"]["seed"],), (((a, b),),))


def pair_groups(a: Sequence[RunRecord], b: Sequence[RunRecord]) -> Pairing:
    """Seeds that both have with the same folds enter; where seeds differ in folds, those with the most.

    Raises ElrError where no seed pairs or clips differ.
    """
    left, right = _by_seed(a), _by_seed(b)
    folds = {seed: sorted(left[seed]) for seed in left if seed in right and left[seed].keys() == right[seed].keys()}
    if not folds:
        raise ElrError(f"no seed has the same folds on both sides: {sorted(left)}, {sorted(right)}; run a common seed")
    shared = max(folds.values(), key=len)
    seeds = tuple(sorted(seed for seed in folds if folds[seed] == shared))
    for seed in seeds:
        for fold in shared:
            _refuse_apart(left[seed][fold], right[seed][fold])
    return Pairing(seeds, tuple(tuple((left[seed][fold], right[seed][fold]) for fold in shared) for seed in seeds))


def compare_pairs(pairing: Pairing, tell: Tell = decisions_of) -> Comparison:
    """The difference of two sides. ElrError where the clips' answers are not known."""
    of_task = _accuracies if pairing.first[0]["track"]["task"] == "single-label" else _f1s
    return of_task(pairing, tell)


def _accuracies(pairing: Pairing, tell: Tell) -> Comparison:
    a, b = pairing.first
    left, right = paired_hits(pairing)
    sizes, shares = pairing.sizes, pairing.shares
    alike = len(sizes) > 1 and len(set(sizes)) > 1 and len(set(shares)) == 1
    folds = np.split((left.astype(np.float64) - right).mean(axis=0) ** 2, np.cumsum(sizes)[:-1])
    # Var of Σ share · mean over the fold's clips; of one fold, or folds that pool, that is of the mean over n clips.
    n = 1 / sum(share**2 / size for share, size in zip(shares, sizes, strict=True))
    squares = [float(fold.mean()) for fold in folds]
    discordant = n * sum(share**2 * square / size for share, square, size in zip(shares, squares, sizes, strict=True))
    enough = int(np.any(left != right, axis=0).sum()) >= _FEWEST
    return Comparison(
        a=a["plan"]["method"],
        b=b["plan"]["method"],
        difference=paired_bootstrap(left, right, sizes if alike else ()),
        seeds=pairing.seeds,
        p=tuple(mcnemar(one, other) for one, other in zip(left, right, strict=True)),
        metric=a["primary"],
        only=tuple(
            (int(np.sum(one & ~other)), int(np.sum(other & ~one))) for one, other in zip(left, right, strict=True)
        ),
        smallest=smallest_paired_difference(n, discordant) if enough else None,
        discordant=discordant,
    )


def _f1s(pairing: Pairing, tell: Tell) -> Comparison:
    a, b = pairing.first
    metric = a["primary"]
    if metric not in THRESHOLDS:
        raise ElrError(f"'{metric}' is no F1, so clips have no decisions to pair; compare its intervals")
    value, draws = 0.0, np.zeros(1)
    for row in pairing.runs:
        for number, (share, (one, other)) in enumerate(zip(pairing.shares, row, strict=True)):
            refuse_other_truth(one, other, tell)
            weight = share / len(pairing.seeds)
            value += weight * (one["scores"][metric]["value"] - other["scores"][metric]["value"])
            draws = draws + weight * (_draws(one, tell, metric, number) - _draws(other, tell, metric, number))
    return Comparison(
        a=a["plan"]["method"],
        b=b["plan"]["method"],
        difference=Difference(value, *percentile(draws), sum(pairing.sizes)),
        seeds=pairing.seeds,
        p=(),
        metric=metric,
        smallest=smallest_shown(float(draws.std(ddof=1))) if draws.any() else None,
    )


def paired_hits(pairing: Pairing) -> tuple[Hits, Hits]:
    """Which clips each side had right: bool (S, N), folds one after the other. ElrError where the task has no hits."""
    one, other = (
        np.stack([np.concatenate([hits_of(pair[side]) for pair in row]) for row in pairing.runs]) for side in (0, 1)
    )
    return one, other


def _draws(record: RunRecord, tell: Tell, metric: str, seed: int) -> Floats:
    if "decisions" not in record:
        return f1_draws(tell(record), metric, seed)
    packed, n = record["decisions"], record["scores"][metric]["n"]
    return _kept_draws(packed["truth"], packed["predicted"], record["dataset"]["classes"], n, metric, seed)


@functools.lru_cache(maxsize=4096)  # 8 kB each: a row is compared with its neighbours and its control
def _kept_draws(truth: str, predicted: str, classes: int, n: int, metric: str, seed: int) -> Floats:
    return f1_draws(Decisions(unpack_rows(truth, classes, n).T, unpack_rows(predicted, classes, n).T), metric, seed)


def refuse_other_truth(a: RunRecord, b: RunRecord, tell: Tell) -> None:
    """ElrError where two runs on the same clips were scored against other labels."""
    if "decisions" in a and "decisions" in b:
        same = a["decisions"]["truth"] == b["decisions"]["truth"]
    else:
        same = np.array_equal(tell(a).truth, tell(b).truth)
    if not same:
        raise ElrError(f"{a['digest']} and {b['digest']} do not pair: their labels differ; verify both")


def _by_seed(records: Sequence[RunRecord]) -> Mapping[int, Mapping[str, RunRecord]]:
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in records:
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    return runs


def _refuse_apart(a: RunRecord, b: RunRecord) -> None:
    for what, one, other in (
        ("datasets", a["track"]["dataset"], b["track"]["dataset"]),
        ("protocols", a["track"]["protocol"], b["track"]["protocol"]),
        ("degradations", a["track"]["degradation"], b["track"]["degradation"]),
        ("folds", a["plan"]["fold"], b["plan"]["fold"]),
        ("data (manifests)", a["dataset"]["manifest"], b["dataset"]["manifest"]),
        ("clips that could not be read", sorted(a["clips"]["bad"]), sorted(b["clips"]["bad"])),
        ("primary scores", a["primary"], b["primary"]),
    ):
        if one != other:
            raise ElrError(f"{a['digest']} and {b['digest']} do not pair: their {what} are {one} and {other}")
