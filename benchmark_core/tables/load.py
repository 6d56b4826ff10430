"""All records and costs of a leaderboards folder; what cannot be used is named and left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.records.cost_record import CostRecord, cost_name, read_cost
from benchmark_core.records.files import COSTS, RECORDS, cost_files, run_files, track_path
from benchmark_core.records.record import RunRecord, read_record, record_name


@dataclass(frozen=True)
class Board:
    """Run records, cost records by structure, and a line for each file that was left out."""

    runs: tuple[RunRecord, ...]
    costs: Mapping[str, tuple[CostRecord, ...]]
    problems: tuple[str, ...]


def load_board(leaderboards: Path) -> Board:
    """Reads every record under `leaderboards`, in the order of their names."""
    runs: list[RunRecord] = []
    costs: dict[str, tuple[CostRecord, ...]] = {}
    problems: list[str] = []
    for path in run_files(leaderboards):
        try:
            record = read_record(path)
            _in_place(path, leaderboards / RECORDS / track_path(record["track"]) / record_name(record))
            runs.append(record)
        except ElrError as error:
            problems.append(str(error))
    for path in cost_files(leaderboards):
        try:
            cost = read_cost(path)
            _in_place(path, leaderboards / COSTS / cost_name(cost))
            costs[cost["structure"]] = (*costs.get(cost["structure"], ()), cost)
        except ElrError as error:
            problems.append(str(error))
    return Board(tuple(runs), costs, tuple(problems))


def _in_place(path: Path, expected: Path) -> None:
    """A record counted twice, or under another track's name, would change a table unseen."""
    if path != expected:
        raise ElrError(f"{path}: by its content it belongs at {expected}; move it there or remove it")
