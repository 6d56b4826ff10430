"""All records and costs of a leaderboards folder; what cannot be used is named, a line each, and left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from benchmark_core.errors import ElrError
from benchmark_core.records.consistency import RESULT
from benchmark_core.records.cost_record import CostRecord, cost_name, read_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, cost_files, run_files, track_path
from benchmark_core.records.record import read_record, record_name

UNUSED: Mapping[str, Any] = {"per_class": {"classes": [], "n": [], "value": []}, "stages": [], "timings": {}}

Part = TypeVar("Part")


@dataclass(frozen=True)
class Board:
    """Run records, cost records by structure, and a line for each that was left out.

    Of a run record, what no table shows is not kept unless it is asked for: scores class by class, stages and times.
    """

    runs: tuple[RunRecord, ...]
    costs: Mapping[str, tuple[CostRecord, ...]]
    problems: tuple[str, ...]


def load_board(leaderboards: Path, *, whole: bool = False) -> Board:
    """Reads every record under `leaderboards`, in the order of their names. whole: keeps all that they hold."""
    problems: list[str] = []
    return Board(
        _runs(leaderboards, problems, {} if whole else UNUSED), _costs(leaderboards, problems), tuple(problems)
    )


def _runs(leaderboards: Path, problems: list[str], unused: Mapping[str, Any]) -> tuple[RunRecord, ...]:
    kept: dict[Path, RunRecord] = {}
    paths: dict[str, list[Path]] = {}  # by digest, also of records in the wrong place
    astray: dict[Path, Path] = {}
    shared: dict[str, Any] = {}
    for path in run_files(leaderboards):
        try:
            record = read_record(path)
            due = leaderboards / RECORDS / _folder(record, path) / record_name(record)
        except ElrError as error:
            problems.append(str(error))
            continue
        paths.setdefault(record["digest"], []).append(path)
        if path == due:
            kept[path] = _lean(record, shared, unused)
        else:
            astray[path] = due
    for several in (several for several in paths.values() if len(several) > 1):
        if differs := _disagreement(several):
            problems.append(differs)
            for path in several:  # which of them is right?
                kept.pop(path, None)
                astray.pop(path, None)
    problems += (_misplaced(path, due) for path, due in astray.items())
    return tuple(kept.values())


def _folder(record: RunRecord, path: Path) -> Path:
    """Of its track. ElrError where no track is called so."""
    try:
        return Path(track_path(record["track"]))
    except ElrError as error:
        raise ElrError(f"{path}: its track is unknown: {error}") from error


def _disagreement(paths: Sequence[Path]) -> str:
    """What to say of records of one digest, "" where they agree."""
    first, *others = (read_record(path) for path in paths)
    for path, other in zip(paths[1:], others, strict=True):
        if differs := [key for key in RESULT if first.get(key) != other.get(key)]:
            return (
                f"{paths[0]} and {path} are both of {first['digest']} and disagree in {', '.join(differs)}: neither is "
                "taken; keep the one that 'elrbench verify' confirms"
            )
    return ""


def _lean(record: RunRecord, shared: dict[str, Any], unused: Mapping[str, Any]) -> RunRecord:
    """Without what is not used, and with parts that many runs have alike kept once."""
    plan = {**record["plan"], "settings": _once(record["plan"]["settings"], shared)}
    alike = {key: _once(record[key], shared) for key in ("track", "plugins", "versions", "updates", "clips", "dataset")}
    return cast(RunRecord, {**record, **unused, **alike, "plan": plan})


def _once(part: Part, shared: dict[str, Any]) -> Part:
    return cast(Part, shared.setdefault(repr(part), part))


def _costs(leaderboards: Path, problems: list[str]) -> Mapping[str, tuple[CostRecord, ...]]:
    costs: dict[str, tuple[CostRecord, ...]] = {}
    for path in cost_files(leaderboards):
        try:
            cost = read_cost(path)
            due = leaderboards / COSTS / _cost_file(cost, path)
        except ElrError as error:
            problems.append(str(error))
            continue
        if path != due:
            problems.append(_misplaced(path, due))
        else:
            costs[cost["structure"]] = (*costs.get(cost["structure"], ()), cost)
    for structure, several in list(costs.items()):
        for key in ("params", "macs"):
            odd = [cost for cost in several if cost[key] != several[0][key]]
            if odd:
                problems.append(
                    f"{leaderboards / COSTS}: the cost of {structure} differs in {key} between {several[0]['device']} "
                    f"and {odd[0]['device']}: neither is taken; measure both again"
                )
                del costs[structure]
                break
    return costs


def _cost_file(cost: CostRecord, path: Path) -> str:
    try:
        return cost_name(cost)
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error


def _misplaced(path: Path, due: Path) -> str:
    """A record counted twice, or under another track's name, would change a table unseen."""
    return f"{path}: by its content it belongs at {due}; move it there or remove it"
