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
    for path in sorted(folder.glob(f"{file_name(structure)}-*.json")):
        with suppress(ElrError):
            cost = read_cost(path)
            found[cost["device"]] = cost
    return found


def is_finished(run_folder: Path, record: RunRecord) -> bool:
    """Whether the predictions and the cost of `record` are in its run folder.

    Otherwise the plan must be run again; stages that are still in the cache are reused. Older versions wrote the cost
    last, so that a run that was stopped may have a record and no cost.
    """
    try:
        stored_bytes(record, run_folder)
    except ElrError:
        return False
    return not lacks_cost(run_folder, record)


def lacks_cost(run_folder: Path, record: RunRecord) -> bool:
    """Whether the cost of `record` is missing in its run folder.

    A fused run whose streams were measured on different devices has no cost, and lacks none.
    """
    if costs_in(run_folder, record["structure"]):
        return False
    devices = [_devices(part_folder(run_folder, record["digest"], part)) for part in record.get("fused", ())]
    return not (devices and all(devices)) or bool(set.intersection(*devices))


def _devices(run_folder: Path) -> set[str]:
    """Return the devices on which the run in `run_folder` was measured; none if there is no such run."""
    with suppress(ElrError):
        return set(costs_in(run_folder, read_record(find_record(run_folder))["structure"]))
    return set()
