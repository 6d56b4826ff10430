"""Load all records and costs of a leaderboards folder. Unusable files are named and left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from benchmark_core.errors import ElrError
from benchmark_core.records.consistency import RESULT_FIELDS
from benchmark_core.records.cost_record import CostRecord, cost_name, read_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, cost_files, run_files, track_path
from benchmark_core.records.record import read_record, record_name

UNUSED: Mapping[str, Any] = {"per_class": {"classes": [], "n": [], "value": []}, "stages": [], "timings": {}}

Value = TypeVar("Value")


@dataclass(frozen=True)
class LeaderboardRecords:
    """Usable records of a leaderboards folder.

    Attributes:
        runs: run records. Fields that no table shows (`UNUSED`) are empty unless the whole records were requested.
        costs: cost records by structure.
        problems: one line for each file that was left out.
    """

    runs: tuple[RunRecord, ...]
    costs: Mapping[str, tuple[CostRecord, ...]]
    problems: tuple[str, ...]


def load_leaderboard(leaderboards: Path, *, whole: bool = False) -> LeaderboardRecords:
    """Read every record under `leaderboards`, sorted by file name.

    Args:
        leaderboards: folder that holds `records/` and `costs/`.
        whole: keep every field of the run records.
    """
    problems: list[str] = []
    return LeaderboardRecords(
        _runs(leaderboards, problems, {} if whole else UNUSED), _costs(leaderboards, problems), tuple(problems)
    )


def _runs(leaderboards: Path, problems: list[str], unused: Mapping[str, Any]) -> tuple[RunRecord, ...]:
    kept: dict[Path, RunRecord] = {}
    paths: dict[str, list[Path]] = {}  # by digest, including misplaced records
    misplaced: dict[Path, Path] = {}
    shared: dict[str, Any] = {}
    for path in run_files(leaderboards):
        try:
            record = read_record(path)
            expected = leaderboards / RECORDS / _folder(record, path) / record_name(record)
        except ElrError as error:
            problems.append(str(error))
            continue
        paths.setdefault(record["digest"], []).append(path)
        if path == expected:
            kept[path] = _compact(record, shared, unused)
        else:
            misplaced[path] = expected
    for several in (several for several in paths.values() if len(several) > 1):
        if conflict := _conflict(several):
            problems.append(conflict)
            for path in several:  # none is used: which one is right is unknown
                kept.pop(path, None)
                misplaced.pop(path, None)
    problems += (_misplaced(path, expected) for path, expected in misplaced.items())
    return tuple(kept.values())


def _folder(record: RunRecord, path: Path) -> Path:
    """Return the relative folder of the record's track. ElrError if the track cannot name a folder."""
    try:
        return Path(track_path(record["track"]))
    except ElrError as error:
        raise ElrError(f"{path}: its track is unknown: {error}") from error


def _conflict(paths: Sequence[Path]) -> str:
    """Describe how records with the same digest disagree; "" if they agree."""
    first, *others = (read_record(path) for path in paths)
    for path, other in zip(paths[1:], others, strict=True):
        if differs := [key for key in RESULT_FIELDS if first.get(key) != other.get(key)]:
            return (
                f"{paths[0]} and {path} have the same digest {first['digest']} and disagree in {', '.join(differs)}: "
                "neither is used; keep the one that passes 'elrbench verify'"
            )
    return ""


def _compact(record: RunRecord, shared: dict[str, Any], unused: Mapping[str, Any]) -> RunRecord:
    """Drop unused fields, and store equal values of many records once."""
    plan = {**record["plan"], "settings": _once(record["plan"]["settings"], shared)}
    equal = {key: _once(record[key], shared) for key in ("track", "plugins", "versions", "updates", "clips", "dataset")}
    return cast(RunRecord, {**record, **unused, **equal, "plan": plan})


def _once(value: Value, shared: dict[str, Any]) -> Value:
    return cast(Value, shared.setdefault(repr(value), value))


def _costs(leaderboards: Path, problems: list[str]) -> Mapping[str, tuple[CostRecord, ...]]:
    costs: dict[str, tuple[CostRecord, ...]] = {}
    for path in cost_files(leaderboards):
        try:
            cost = read_cost(path)
            expected = leaderboards / COSTS / _cost_file(cost, path)
        except ElrError as error:
            problems.append(str(error))
            continue
        if path != expected:
            problems.append(_misplaced(path, expected))
        else:
            costs[cost["structure"]] = (*costs.get(cost["structure"], ()), cost)
    for structure, several in list(costs.items()):
        for key in ("params", "macs"):
            conflicting = [cost for cost in several if cost[key] != several[0][key]]
            if conflicting:
                problems.append(
                    f"{leaderboards / COSTS}: the cost of {structure} differs in {key} between {several[0]['device']} "
                    f"and {conflicting[0]['device']}: neither is used; measure both again"
                )
                del costs[structure]
                break
    return costs


def _cost_file(cost: CostRecord, path: Path) -> str:
    try:
        return cost_name(cost)
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error


def _misplaced(path: Path, expected: Path) -> str:
    """Name a misplaced file. If it were used, it would be counted twice or change another track's table."""
    return f"{path}: its content belongs at {expected}; move it there or delete it"
