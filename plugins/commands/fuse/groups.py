"""Which runs are averaged: rows with each other, seed by seed, or the seeds of one row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.compare import pair
from benchmark_core.tables.select_runs import SelectedRuns

Members = tuple[tuple[tuple[RunRecord, ...], ...], ...]


@dataclass(frozen=True)
class Groups:
    """Runs to average. `members[s][f]` are those of group s on fold f, one per part.

    Attributes:
        names: one per part: `hof-svm`, or `seed 0` if the seeds of one row are the parts.
        seeds: one per group; empty if runs of different seeds are averaged.
        members: records.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    members: Members


def groups_of(selected: Sequence[SelectedRuns]) -> Groups:
    """Return what is averaged with what.

    Args:
        selected: one row, whose seeds are averaged; several rows, averaged for each seed that all have with the same
            folds; or several runs of one fold, whose seeds may differ. A run next to a row counts as a row of one run.

    Raises:
        ElrError: if there is only one run, a run is named twice, no seed is common, or the clips differ.
    """
    digests = [record["digest"] for runs in selected for record in runs.records]
    repeated = next((digest for digest in digests if digests.count(digest) > 1), None)
    if repeated:
        raise ElrError(f"run {repeated} is named twice; name each run or row once")
    if len(selected) == 1:
        return _seeds_of(selected[0])
    names = tuple(runs.first["plan"]["method"] for runs in selected)
    if not any(runs.is_row for runs in selected):
        runs = tuple(runs.first for runs in selected)
        seeds = {run["plan"]["seed"] for run in runs}
        return Groups(names, tuple(seeds) if len(seeds) == 1 else (), _checked(((runs,),)))
    parts = [_by_seed(runs.records) for runs in selected]
    folds = {
        seed: sorted(own)
        for seed, own in sorted(parts[0].items())
        if all(other.get(seed, {}).keys() == own.keys() for other in parts)
    }
    if not folds:
        have = "; ".join(f"'{name}' {sorted(own)}" for name, own in zip(names, parts, strict=True))
        raise ElrError(f"no seed has the same folds in all rows ({have}); run a common seed, or name fewer rows")
    most = max(folds.values(), key=len)
    common = tuple(seed for seed in folds if folds[seed] == most)
    return Groups(
        names,
        common,
        _checked(tuple(tuple(tuple(own[seed][fold] for own in parts) for fold in most) for seed in common)),
    )


def _seeds_of(row: SelectedRuns) -> Groups:
    """Return one group whose parts are the seeds of `row` that have the most folds."""
    if not row.is_row:
        raise ElrError(
            f"{row.first['digest']} is a single run; name a second one, or a row with --track "
            "DATASET/PROTOCOL/DEGRADATION"
        )
    runs = _by_seed(row.records)
    folds = sorted(max(runs.values(), key=len))
    seeds = sorted(seed for seed in runs if sorted(runs[seed]) == folds)
    if len(seeds) < 2:
        raise ElrError(
            f"'{row.first['plan']['method']}' has no two seeds with the same folds, so there is nothing to average; "
            "name two rows, or run another seed"
        )
    members = (tuple(tuple(runs[seed][fold] for seed in seeds) for fold in folds),)
    return Groups(tuple(f"seed {seed}" for seed in seeds), (), _checked(members))


def _by_seed(records: Sequence[RunRecord]) -> Mapping[int, Mapping[str, RunRecord]]:
    """Return the records by seed and fold."""
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in records:
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    return runs


def _checked(members: Members) -> Members:
    """Return `members`. ElrError if those that are averaged were not scored on the same clips."""
    for row in members:
        for first, *others in row:
            for other in others:
                pair(first, other)
    return members
