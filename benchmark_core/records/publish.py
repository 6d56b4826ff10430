"""From a run folder into the leaderboards: record, predictions and cost, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import read_json
from benchmark_core.records.consistency import RESULT
from benchmark_core.records.cost_record import cost_name, read_cost, replaces, thinner
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, track_path
from benchmark_core.records.record import find_record, part_folder, read_record, record_name
from benchmark_core.records.stored import stored_bytes

LARGEST = 1 << 20  # bytes of predictions; a repository keeps them for ever


def publish(run_folder: Path, leaderboards: Path, *, say: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Copies what `run_folder` holds of a finished run; the written paths, the record last.

    A run that fuses others is published with them, theirs first.
    Raises ElrError where the folder holds no record or several, predictions do not fit the record or are over 1 MiB, or
    other predictions of the same plan were published before: a leaderboard never changes silently. `say` is told where
    a measurement of cost takes the place of an earlier one of the same structure and device.
    """
    path = find_record(run_folder)
    record = read_record(path)
    predictions = _predictions(run_folder, record)
    folder = leaderboards / RECORDS / track_path(record["track"])
    _refuse_other_result(folder / record_name(record), record)
    costs = _costs(run_folder, leaderboards, say)  # all is read before the first is written

    written = [
        path
        for part in record.get("fused", ())
        for path in publish(part_folder(run_folder, record["digest"], part), leaderboards, say=say)
    ]
    written.append(write_whole(folder / record["predictions"]["file"], predictions))
    written += [write_whole(place, cost.read_bytes()) for cost, place in costs.items()]
    written.append(write_whole(folder / record_name(record), path.read_bytes()))
    return written


def _costs(run_folder: Path, leaderboards: Path, say: Callable[[str], None]) -> dict[Path, Path]:
    """Where each measurement of cost that the run left belongs, if it belongs there."""
    found = {}
    for cost in (other for other in sorted(run_folder.glob("*.json")) if _kind(other) == "cost"):
        measured = read_cost(cost)
        place = leaderboards / COSTS / cost_name(measured)
        if thinner(place, measured):
            say(f"{place}: the measurement of the same structure and device that stands there was timed in more ways")
            continue
        if replaces(place, measured):
            say(f"{place}: an earlier measurement of the same structure and device is replaced")
        found[cost] = place
    return found


def _kind(path: Path) -> object:
    content = read_json(path)
    return content.get("kind") if isinstance(content, dict) else None


def _predictions(run_folder: Path, record: RunRecord) -> bytes:
    content = stored_bytes(record, run_folder)
    if len(content) > LARGEST:
        path = run_folder / record["predictions"]["file"]
        raise ElrError(f"{path} is {len(content) / LARGEST:.2f} MiB, leaderboards take 1 MiB; shorten the clips' ids")
    return content


def _refuse_other_result(path: Path, record: RunRecord) -> None:
    if not path.exists():
        return
    published = read_record(path)
    other = [key for key in RESULT if published.get(key) != record.get(key)]
    if published["predictions"]["sha256"] != record["predictions"]["sha256"]:
        other.insert(0, "predictions")
    if other:
        raise ElrError(
            f"{path} holds other {', '.join(other)} of the same plan; remove it first if this run is to replace it"
        )
