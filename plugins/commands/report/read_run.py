"""Read a run folder: record, predictions, log and cost records. Reads no network and no clip."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.checksum import read_json
from benchmark_core.records.cost_record import CostRecord, read_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, read_record
from benchmark_core.records.stored import stored_predictions
from benchmark_core.scoring.predictions import Predictions

LOG = "log.json"

Log: TypeAlias = Mapping[str, Sequence[Mapping[str, float]]]  # stage -> rows: `epoch`, means of logged values


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run.

    predictions: sorted by clip id. log: None if it cannot be read; `no_log` says why.
    costs: cost records of the run's network, by device. no_costs: why some or all are missing, else empty.
    """

    folder: Path
    record: RunRecord
    predictions: Predictions
    log: Log | None
    no_log: str
    costs: tuple[CostRecord, ...]
    no_costs: str


def read_run(folder: Path) -> Finished:
    """Read everything in a run folder except the weights.

    Raises ElrError if the folder has no run record of this version, or its predictions are missing or differ from
    those that were scored.
    """
    record = read_record(find_record(folder))
    predictions = stored_predictions(record, folder)
    log, no_log = _log(folder / LOG)
    costs, no_costs = _costs(folder, record)
    return Finished(
        folder=folder,
        record=record,
        predictions=predictions,
        log=log,
        no_log=no_log,
        costs=costs,
        no_costs=no_costs,
    )


def _log(path: Path) -> tuple[Log | None, str]:
    if not path.is_file():
        return None, f"{path.name} is not in the run folder"
    try:
        plain = read_json(path)
    except ElrError as error:
        return None, f"{path.name} cannot be read ({error})"
    if not isinstance(plain, dict) or not all(_is_log(rows) for rows in plain.values()):
        return None, f"{path.name} is not a log of stages, epochs and values"
    return plain, ""


def _is_log(rows: Any) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, dict) and all(_is_number(value) for value in row.values()) for row in rows
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _costs(folder: Path, record: RunRecord) -> tuple[tuple[CostRecord, ...], str]:
    """Return the cost records of the run's network, and what is wrong with other files of that name."""
    found: list[CostRecord] = []
    wrong: list[str] = []
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(f"{file_name(record['structure'])}-") or path.suffix != ".json":
            continue
        try:
            cost = read_cost(path)
        except ElrError as error:
            wrong.append(str(error))
            continue
        if cost["structure"] == record["structure"]:
            found.append(cost)
    if not found and not wrong:
        wrong.append("the run folder has no cost record")
    return tuple(found), "; ".join(wrong)
