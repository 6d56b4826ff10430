"""What a run left, read from its folder: record, predictions, log and costs. No network and no clip."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.cost_record import CostRecord, read_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, read_record
from benchmark_core.records.stored import stored_predictions
from benchmark_core.scoring.predictions import Predictions

LOG = "log.json"

Log: TypeAlias = Mapping[str, Sequence[Mapping[str, float]]]  # stage -> rows of `epoch` and means of figures


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished run. predictions: sorted by clip id, of the clips and classes that the record says.

    log: None where there is none that can be read; `no_log` says why. costs: of the run's structure, by device.
    no_costs: why there are none, or why some are left out; empty otherwise.
    """

    folder: Path
    record: RunRecord
    predictions: Predictions
    log: Log | None
    no_log: str
    costs: tuple[CostRecord, ...]
    no_costs: str


def read_run(folder: Path) -> Finished:
    """Everything in a run folder but the weights.

    ElrError of one line where the folder is gone, holds no run record of this version, or predictions that are absent
    or not those that the record was scored from.
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
        plain = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        return None, f"{path.name} cannot be read ({error})"
    if not isinstance(plain, dict) or not all(_is_history(rows) for rows in plain.values()):
        return None, f"{path.name} is not a log of stages, epochs and figures"
    return plain, ""


def _is_history(rows: Any) -> bool:
    return isinstance(rows, list) and all(
        isinstance(row, dict) and all(_is_number(value) for value in row.values()) for row in rows
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _costs(folder: Path, record: RunRecord) -> tuple[tuple[CostRecord, ...], str]:
    """Those of the run's structure, and in words what is wrong with any other file of that name."""
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
        wrong.append("no cost record of the run's network is in the run folder")
    return tuple(found), "; ".join(wrong)
