"""Which runs are averaged: rows with each other, seed by seed, or the seeds of one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark_core.errors import ElrError
from benchmark_core.records.fields import RunRecord
from benchmark_core.tables.compare import pair, pair_groups
from benchmark_core.tables.select_runs import SelectedRuns


@dataclass(frozen=True)
class Groups:
    """Runs to average. `members[s][f]` are those of group s on fold f, one per part.

    Attributes:
        names: one per part: `hof-svm`, or `seed 0` if the seeds of one row are the parts.
        seeds: one per group; empty if the seeds are averaged.
        members: records.
    """

    names: tuple[str, ...]
    seeds: tuple[int, ...]
    members: tuple[tuple[tuple[RunRecord, ...], ...], ...]


def groups_of(selected: Sequence[SelectedRuns]) -> Groups:
    """Return what is averaged with what.

    Args:
        selected: one row, whose seeds are averaged; several rows, averaged for each seed that all have; or several runs
            of one fold.

    Raises:
        ElrError: if there is only one run, no seed is common, or the clips differ.
    """
    if len(selected) == 1:
        return _seeds_of(selected[0])
    first, *others = selected
    if not all(runs.is_row for runs in selected):
        for runs in others:
            pair(first.first, runs.first)
        runs = tuple(runs.first for runs in selected)
        return Groups(tuple(run["plan"]["method"] for run in runs), (runs[0]["plan"]["seed"],), ((runs,),))
    pairings = [pair_groups(first.records, runs.records) for runs in others]
    seeds = tuple(seed for seed in pairings[0].seeds if all(seed in pairing.seeds for pairing in pairings))
    if not seeds:
        raise ElrError("no seed is common to all rows; run a common seed, or name fewer rows")
    members = []
    for seed in seeds:
        rows = [pairing.runs[pairing.seeds.index(seed)] for pairing in pairings]
        folds = zip(*rows, strict=True)
        members.append(tuple((pairs[0][0], *(other for _, other in pairs)) for pairs in folds))
    return Groups(tuple(runs.first["plan"]["method"] for runs in selected), seeds, tuple(members))


def _seeds_of(row: SelectedRuns) -> Groups:
    """Return one group whose parts are the seeds of `row` that have the most folds."""
    runs: dict[int, dict[str, RunRecord]] = {}
    for record in row.records:
        runs.setdefault(record["plan"]["seed"], {})[record["plan"]["fold"]] = record
    folds = sorted(max(runs.values(), key=len))
    seeds = sorted(seed for seed in runs if sorted(runs[seed]) == folds)
    if len(seeds) < 2:
        raise ElrError(
            f"'{row.first['plan']['method']}' has one seed with all folds, and nothing to average it with; "
            "name two rows, or a row with several seeds"
        )
    for seed in seeds[1:]:
        for fold in folds:
            pair(runs[seeds[0]][fold], runs[seed][fold])
    members = tuple(tuple(runs[seed][fold] for seed in seeds) for fold in folds)
    return Groups(tuple(f"seed {seed}" for seed in seeds), (), (members,))
