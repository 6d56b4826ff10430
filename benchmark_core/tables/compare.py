"""Two methods on the same test clips: a paired difference with its interval, and McNemar's test of each seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.records.record import RunRecord, hits_of
from benchmark_core.scoring.statistics import Difference, Hits, mcnemar, paired_bootstrap


@dataclass(frozen=True)
class Comparison:
    """a − b. `difference.n`: clips of all folds. `p`: McNemar's exact p, seed by seed, for seeds share their clips."""

    a: str
    b: str
    difference: Difference
    seeds: tuple[int, ...]
    p: tuple[float, ...]

    def text(self) -> str:
        """`cstat:mlp+rc − supervised:matched: +2.30 points [+0.40, +4.20], n = 2000, 3 seeds, McNemar p = 0.012, …`"""
        found = self.difference
        value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
        seeds = "1 seed" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        p = ", ".join(f"{value:.2g}" for value in self.p)
        return f"{self.a} − {self.b}: {value} points [{low}, {high}], n = {found.n}, {seeds}, McNemar p = {p}"


def compare(a: RunRecord, b: RunRecord) -> Comparison:
    """Two runs on one fold, whatever their seeds. ElrError where they were not scored on the same clips."""
    left, right = (np.atleast_2d(hits) for hits in _paired_hits(a, b))
    return _compare(a, b, left, right, (a["plan"]["seed"],))


def compare_groups(a: Sequence[RunRecord], b: Sequence[RunRecord]) -> Comparison:
    """Runs of two methods, paired by seed and fold; clips are drawn jointly for all seeds.

    Seeds that both have with the same folds enter; where seeds differ in folds, those with the most.
    Raises ElrError where no seed pairs or clips differ.
    """
    left, right = _by_seed(a), _by_seed(b)
    folds = {seed: sorted(left[seed]) for seed in left if seed in right and left[seed].keys() == right[seed].keys()}
    if not folds:
        raise ElrError(f"no seed has the same folds on both sides: {sorted(left)}, {sorted(right)}; run a common seed")
    shared = max(folds.values(), key=len)
    seeds = tuple(sorted(seed for seed in folds if folds[seed] == shared))
    pairs = [[_paired_hits(left[seed][fold], right[seed][fold]) for fold in shared] for seed in seeds]
    one, other = (np.stack([np.concatenate([pair[side] for pair in row]) for row in pairs]) for side in (0, 1))
    return _compare(a[0], b[0], one, other, seeds)


def _compare(a: RunRecord, b: RunRecord, left: Hits, right: Hits, seeds: tuple[int, ...]) -> Comparison:
    """Of hits (S, N) each."""
    p = tuple(mcnemar(one, other) for one, other in zip(left, right, strict=True))
    return Comparison(a["plan"]["method"], b["plan"]["method"], paired_bootstrap(left, right), seeds, p)


def _by_seed(records: Sequence[RunRecord]) -> Mapping[int, Mapping[str, RunRecord]]:
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in records:
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    return runs


def _paired_hits(a: RunRecord, b: RunRecord) -> tuple[Hits, Hits]:
    for what, one, other in (
        ("datasets", a["track"]["dataset"], b["track"]["dataset"]),
        ("protocols", a["track"]["protocol"], b["track"]["protocol"]),
        ("degradations", a["track"]["degradation"], b["track"]["degradation"]),
        ("folds", a["plan"]["fold"], b["plan"]["fold"]),
        ("data (manifests)", a["dataset"]["manifest"], b["dataset"]["manifest"]),
        ("clips that could not be read", sorted(a["clips"]["bad"]), sorted(b["clips"]["bad"])),
    ):
        if one != other:
            raise ElrError(f"{a['digest']} and {b['digest']} do not pair: their {what} are {one} and {other}")
    return hits_of(a), hits_of(b)
