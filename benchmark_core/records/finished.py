"""Whether a run is finished. A run writes its predictions, then its cost, then its record."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.cost_record import CostRecord, read_cost
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.record import find_record, part_folder, read_record
from benchmark_core.records.stored import stored_bytes


def costs_in(folder: Path, structure: str) -> dict[str, CostRecord]:
    """Return device -> cost of `structure` in a folder of cost records. Records that cannot be read are left out."""
    found = {}
    for path in folder.glob(f"{file_name(structure)}-*.json"):
        with suppress(ElrError):
            cost = read_cost(path)
            found[cost["device"]] = cost
    return found


def is_finished(run_folder: Path, record: RunRecord) -> bool:
    """Whether the predictions and the cost of `record` are in its run folder.

    Older versions wrote the cost last, so that a run that was stopped may have a record and no cost. A fused run whose
    streams were measured on different devices needs no cost.
    """
    with suppress(ElrError):  # predictions or a stream are missing
        stored_bytes(record, run_folder)
        if costs_in(run_folder, record["structure"]):
            return True
        folders = [part_folder(run_folder, record["digest"], part) for part in record.get("fused", ())]
        devices = [set(costs_in(folder, read_record(find_record(folder))["structure"])) for folder in folders]
        return bool(devices) and all(devices) and not set.intersection(*devices)
    return False
