"""Compare two methods on the same test clips: paired difference with its interval, and McNemar's test per seed.

Single-label: difference of top-1 accuracies, from the per-clip hits in the records. Multi-label: difference of the
primary F1, from the decisions in the records or from the predictions files next to them, without McNemar's test.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.records.clip_results import clip_decisions, clip_hits
from benchmark_core.records.fields import RunRecord
from benchmark_core.scoring.f1 import THRESHOLDS, Decisions
from benchmark_core.scoring.hits import unpack_rows
from benchmark_core.scoring.paired import f1_draws
from benchmark_core.scoring.statistics import (
    Difference,
    Floats,
    Hits,
    detectable_difference,
    detectable_paired_difference,
    mcnemar,
    paired_bootstrap,
    percentile,
)

ReadDecisions: TypeAlias = Callable[[RunRecord], Decisions]
_FEWEST = 6  # discordant clips. With five, all one way, the two-sided p is 2 / 2⁵ = 0.0625


@dataclass(frozen=True)
class Pairing:
    """Runs of two methods on the same clips: `runs[s][f]` is (a, b) of seed s and fold f."""

    seeds: tuple[int, ...]
    runs: tuple[tuple[tuple[RunRecord, RunRecord], ...], ...]

    @property
    def first(self) -> tuple[RunRecord, RunRecord]:
        """A pair, for the fields that all pairs share."""
        return self.runs[0][0]

    @property
    def shares(self) -> tuple[float, ...]:
        """Weight of each fold in a score: its share of the clips if the protocol pools folds, else equal weights."""
        sizes = self.sizes
        pooled = self.first[0]["track"].get("pooled", False)
        return tuple(n / sum(sizes) if pooled else 1 / len(sizes) for n in sizes)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of test clips of each fold."""
        return tuple(a["scores"][a["primary"]]["n"] for a, _ in self.runs[0])


@dataclass(frozen=True)
class Comparison:
    """Paired difference a − b.

    Attributes:
        a, b: methods.
        difference: difference with its 95 % interval; `difference.n` counts the clips of all folds.
        seeds: seeds that both have.
        p: McNemar's exact p per seed, because seeds share their clips. Empty for multi-label.
        metric: score that is compared: top1, or the primary F1 if multi-label.
        only_right: per seed, the number of clips that only a, and only b, has right. Empty for multi-label.
        smallest: smallest difference that a test at 5 % detects on these clips with power 80 %; None if no difference
            can be that large.
        discordant: share of clips that exactly one has right; for several seeds, the mean square of a clip's
            difference. None for multi-label, where `smallest` comes from the bootstrap's standard deviation.
    """

    a: str
    b: str
    difference: Difference
    seeds: tuple[int, ...]
    p: tuple[float, ...]
    metric: str = "top1"
    only_right: tuple[tuple[int, int], ...] = ()
    smallest: float | None = None
    discordant: float | None = None

    def text(self) -> str:
        """Return `cstat:mlp+rc − supervised:matched: +2.30 points [+0.40, +4.20], n = 200, 1 seed, McNemar p = 0.1`."""
        found = self.difference
        value, low, high = (f"{100 * number:+.2f}" for number in (found.value, found.low, found.high))
        seeds = "1 seed" if len(self.seeds) == 1 else f"{len(self.seeds)} seeds"
        p = f", McNemar p = {', '.join(f'{value:.2g}' for value in self.p)}" if self.p else ""
        return f"{self.a} − {self.b}: {value} points [{low}, {high}], n = {found.n}, {seeds}{p}"


def compare(a: RunRecord, b: RunRecord, read_decisions: ReadDecisions = clip_decisions) -> Comparison:
    """Compare two runs of one fold; their seeds may differ.

    Args:
        a, b: records.
        read_decisions: returns a multi-label run's decisions; by default those in the record.

    Raises:
        ElrError: if the runs were not scored on the same clips.
    """
    return compare_pairs(pair(a, b), read_decisions)


def compare_groups(
    a: Sequence[RunRecord], b: Sequence[RunRecord], read_decisions: ReadDecisions = clip_decisions
) -> Comparison:
    """Compare the runs of two methods, paired by seed and fold. Clips are resampled jointly for all seeds."""
    return compare_pairs(pair_groups(a, b), read_decisions)


def pair(a: RunRecord, b: RunRecord, *, across_degradations: bool = False) -> Pairing:
    """Pair two runs of one fold; their seeds may differ. ElrError if they were not scored on the same clips.

    across_degradations: the degradations may differ.
    """
    _require_comparable(a, b, across_degradations)
    return Pairing((a["plan"]["seed"],), (((a, b),),))


def pair_groups(a: Sequence[RunRecord], b: Sequence[RunRecord], *, across_degradations: bool = False) -> Pairing:
    """Pair runs by seed and fold. A seed enters if both methods ran it with the same folds.

    If seeds differ in their folds, only the seeds with the most folds enter.

    Args:
        a, b: records.
        across_degradations: the degradations may differ.

    Raises:
        ElrError: if no seed pairs, or the clips differ.
    """
    left, right = _by_seed(a), _by_seed(b)
    folds = {seed: sorted(left[seed]) for seed in left if seed in right and left[seed].keys() == right[seed].keys()}
    if not folds:
        raise ElrError(
            f"A has seeds {sorted(left)}, B has seeds {sorted(right)}, and no seed has the same folds in both; "
            "run a common seed"
        )
    shared = max(folds.values(), key=len)
    seeds = tuple(sorted(seed for seed in folds if folds[seed] == shared))
    for seed in seeds:
        for fold in shared:
            _require_comparable(left[seed][fold], right[seed][fold], across_degradations)
    return Pairing(seeds, tuple(tuple((left[seed][fold], right[seed][fold]) for fold in shared) for seed in seeds))


def compare_pairs(pairing: Pairing, read_decisions: ReadDecisions = clip_decisions) -> Comparison:
    """Return the paired difference. ElrError if the per-clip results are not available."""
    of_task = _f1s if pairing.first[0]["hits"] is None else _accuracies
    return of_task(pairing, read_decisions)


def _accuracies(pairing: Pairing, read_decisions: ReadDecisions) -> Comparison:
    a, b = pairing.first
    left, right = pair_hits(pairing)
    sizes, shares = pairing.sizes, pairing.shares
    equal_weights = len(sizes) > 1 and len(set(sizes)) > 1 and len(set(shares)) == 1
    folds = np.split((left.astype(np.float64) - right).mean(axis=0) ** 2, np.cumsum(sizes)[:-1])
    # Effective n: Var(Σ_f share_f · mean of fold f) = Var(one clip) / n. It is the number of clips for pooled folds.
    n = 1 / sum(share**2 / size for share, size in zip(shares, sizes, strict=True))
    squares = [float(fold.mean()) for fold in folds]
    discordant = n * sum(share**2 * square / size for share, square, size in zip(shares, squares, sizes, strict=True))
    enough = int(np.any(left != right, axis=0).sum()) >= _FEWEST
    return Comparison(
        a=a["plan"]["method"],
        b=b["plan"]["method"],
        difference=paired_bootstrap(left, right, sizes if equal_weights else ()),
        seeds=pairing.seeds,
        p=tuple(mcnemar(one, other) for one, other in zip(left, right, strict=True)),
        only_right=tuple(
            (int(np.sum(one & ~other)), int(np.sum(other & ~one))) for one, other in zip(left, right, strict=True)
        ),
        smallest=detectable_paired_difference(n, discordant) if enough else None,
        discordant=discordant,
    )


def _f1s(pairing: Pairing, read_decisions: ReadDecisions) -> Comparison:
    a, b = pairing.first
    metric = a["primary"]
    if metric not in THRESHOLDS:
        raise ElrError(f"'{metric}' is not an F1, so it has no per-clip decisions; compare intervals")
    value, draws = 0.0, np.zeros(1)
    for row in pairing.runs:
        for number, (share, (one, other)) in enumerate(zip(pairing.shares, row, strict=True)):
            require_same_labels(one, other, read_decisions)
            weight = share / len(pairing.seeds)
            value += weight * (one["scores"][metric]["value"] - other["scores"][metric]["value"])
            draws = draws + weight * (
                _draws(one, read_decisions, metric, number) - _draws(other, read_decisions, metric, number)
            )
    return Comparison(
        a=a["plan"]["method"],
        b=b["plan"]["method"],
        difference=Difference(value, *percentile(draws), sum(pairing.sizes)),
        seeds=pairing.seeds,
        p=(),
        metric=metric,
        smallest=detectable_difference(float(draws.std(ddof=1))) if draws.any() else None,
    )


def pair_hits(pairing: Pairing) -> tuple[Hits, Hits]:
    """Return which clips a and b have right: bool (S, N) each, folds concatenated. ElrError for multi-label runs."""
    one, other = (
        np.stack([np.concatenate([clip_hits(pair[side]) for pair in row]) for row in pairing.runs]) for side in (0, 1)
    )
    return one, other


def _draws(record: RunRecord, read_decisions: ReadDecisions, metric: str, seed: int) -> Floats:
    if "decisions" not in record:
        return f1_draws(read_decisions(record), metric, seed)
    packed, n = record["decisions"], record["scores"][metric]["n"]
    return _kept_draws(packed["truth"], packed["predicted"], record["dataset"]["classes"], n, metric, seed)


@functools.lru_cache(maxsize=4096)  # 8 kB each; a row is compared with several others
def _kept_draws(truth: str, predicted: str, classes: int, n: int, metric: str, seed: int) -> Floats:
    return f1_draws(Decisions(unpack_rows(truth, classes, n).T, unpack_rows(predicted, classes, n).T), metric, seed)


def require_same_labels(a: RunRecord, b: RunRecord, read_decisions: ReadDecisions) -> None:
    """Raise ElrError if two runs on the same clips were scored with different labels."""
    if "decisions" in a and "decisions" in b:
        same = a["decisions"]["truth"] == b["decisions"]["truth"]
    else:
        same = np.array_equal(read_decisions(a).truth, read_decisions(b).truth)
    if not same:
        raise ElrError(
            f"{a['digest']} and {b['digest']} cannot be paired: their labels differ; run 'elrbench verify' on both"
        )


def _by_seed(records: Sequence[RunRecord]) -> Mapping[int, Mapping[str, RunRecord]]:
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in records:
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    return runs


def _require_comparable(a: RunRecord, b: RunRecord, across_degradations: bool) -> None:
    """Raise ElrError if two runs were not scored on the same clips, or (by default) of the same degradation."""
    for what, one, other in (
        ("datasets", a["track"]["dataset"], b["track"]["dataset"]),
        ("protocols", a["track"]["protocol"], b["track"]["protocol"]),
        *(() if across_degradations else (("degradations", a["track"]["degradation"], b["track"]["degradation"]),)),
        ("folds", a["plan"]["fold"], b["plan"]["fold"]),
        ("data (manifests)", a["dataset"]["manifest"], b["dataset"]["manifest"]),
        ("clips that could not be read", sorted(a["clips"]["bad"]), sorted(b["clips"]["bad"])),
        ("primary scores", a["primary"], b["primary"]),
    ):
        if one != other:
            hint = "; to compare them anyway, pass --across-degradations" if what == "degradations" else ""
            raise ElrError(
                f"{a['digest']} and {b['digest']} cannot be paired: their {what} are {one} and {other}{hint}"
            )
