"""Copy record, predictions and costs from a run folder to the leaderboards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmark_core.atomic import write_whole
from benchmark_core.errors import ElrError
from benchmark_core.records.checksum import read_json
from benchmark_core.records.consistency import RESULT_FIELDS
from benchmark_core.records.cost_record import cost_name, has_fewer_variants, read_cost, replaces
from benchmark_core.records.fields import RunRecord
from benchmark_core.records.files import COSTS, RECORDS, track_path
from benchmark_core.records.finished import is_finished
from benchmark_core.records.record import find_record, part_folder, read_record, record_name
from benchmark_core.records.stored import stored_bytes

LARGEST = 1 << 20  # bytes of a predictions file, because a repository keeps every version


def publish(run_folder: Path, leaderboards: Path, *, say: Callable[[str], None] = lambda line: None) -> list[Path]:
    """Copy a finished run. A fused run is published together with its parts.

    Args:
        run_folder: folder of the finished run.
        leaderboards: folder to publish into.
        say: receives a line if a cost measurement replaces an earlier one, or is skipped.

    Returns:
        The written paths, the record last.

    Raises:
        ElrError: if the folder does not hold exactly one record, the cost is missing, the predictions do not fit the
            record or exceed 1 MiB, or a different result of the same plan is already published.
    """
    path = find_record(run_folder)
    record = read_record(path)
    predictions = _predictions(run_folder, record)
    if not is_finished(run_folder, record):
        raise ElrError(
            f"{run_folder} has a record but no cost, because its run was stopped before the end; run its plan again "
            f"with --out {run_folder}, which reuses stages in the cache"
        )
    folder = leaderboards / RECORDS / track_path(record["track"])
    _refuse_other_result(folder / record_name(record), record)
    costs = _costs(run_folder, leaderboards, say)  # everything is read before anything is written

    written = [
        path
        for part in record.get("fused", ())
        for path in publish(part_folder(run_folder, record["digest"], part), leaderboards, say=say)
    ]
    written.append(write_whole(folder / record["predictions"]["file"], predictions))
    written += [write_whole(target, cost.read_bytes()) for cost, target in costs.items()]
    written.append(write_whole(folder / record_name(record), path.read_bytes()))
    return written


def _costs(run_folder: Path, leaderboards: Path, say: Callable[[str], None]) -> dict[Path, Path]:
    """Return source and target of each cost record of the run that should be copied."""
    found = {}
    for cost in (other for other in sorted(run_folder.glob("*.json")) if _kind(other) == "cost"):
        measured = read_cost(cost)
        target = leaderboards / COSTS / cost_name(measured)
        if has_fewer_variants(target, measured):
            say(f"{target}: kept, because it has more latency variants than the run's measurement")
            continue
        if replaces(target, measured):
            say(f"{target}: replaced an earlier measurement of the same structure and device")
        found[cost] = target
    return found


def _kind(path: Path) -> object:
    content = read_json(path)
    return content.get("kind") if isinstance(content, dict) else None


def _predictions(run_folder: Path, record: RunRecord) -> bytes:
    content = stored_bytes(record, run_folder)
    if len(content) > LARGEST:
        path = run_folder / record["predictions"]["file"]
        raise ElrError(f"{path} is {len(content) / LARGEST:.2f} MiB; the limit is 1 MiB; shorten the clip ids")
    return content


def _refuse_other_result(path: Path, record: RunRecord) -> None:
    if not path.exists():
        return
    published = read_record(path)
    different = [key for key in RESULT_FIELDS if published.get(key) != record.get(key)]
    if published["predictions"]["sha256"] != record["predictions"]["sha256"]:
        different.insert(0, "predictions")
    if different:
        raise ElrError(
            f"{path} has a different result of the same plan ({', '.join(different)}); delete it first to replace it"
        )
