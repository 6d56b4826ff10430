"""Name, find, read and write the record of one finished run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.checksum import add_checksum, read_json, read_with_checksum, write_with_checksum
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.fields import RunRecord, ScoreFields

TOP5_CLASSES = 10  # with fewer classes, chance is above 50 %


def record_name(record: Mapping[str, Any]) -> str:
    """Return the file name, METHOD-DIGEST.json."""
    return f"{file_name(record['plan']['method'])}-{record['digest']}.json"


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Check a record, and write it atomically to METHOD-DIGEST.json in `folder`, with its checksum.

    Raises:
        ElrError: if a field is missing or the fields do not agree.
    """
    check_result(check_record(add_checksum(record)))
    return write_with_checksum(folder / record_name(record), record)


def find_record(run_folder: Path) -> Path:
    """Return the path of the run record in a run folder. ElrError if there is not exactly one."""
    if not run_folder.is_dir():
        raise ElrError(f"the run folder {run_folder} does not exist; pass the output folder of 'elrbench run'")
    contents = {path: read_json(path) for path in sorted(run_folder.glob("*.json"))}
    runs = [path for path, content in contents.items() if isinstance(content, dict) and content.get("kind") == "run"]
    if len(runs) != 1:
        raise ElrError(f"{run_folder} holds {len(runs)} run records; pass the folder of one finished run")
    return runs[0]


def part_folder(run_folder: Path, digest: str, part: str) -> Path:
    """Return the folder of `part`, one of the runs that the fused run `digest` in `run_folder` averages.

    It is next to `run_folder` if that folder is named by its digest, and inside it otherwise.
    """
    return (run_folder.parent if run_folder.name == digest else run_folder) / part


def read_record(path: Path) -> RunRecord:
    """Return the run record in `path`. ElrError naming the file and the fault if it is not valid."""
    record = read_with_checksum(path, "run", RunRecord)
    try:
        check_result(whole := check_record(record))
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error
    return whole


def printed_scores(record: Mapping[str, Any]) -> dict[str, ScoreFields]:
    """Return the scores of a record that are printed; see `without_top5`."""
    return without_top5(all_scores(record), record["dataset"]["classes"], record["primary"])


def all_scores(record: Mapping[str, Any]) -> dict[str, ScoreFields]:
    """Return the scores over clips, and over windows if the record has them."""
    return {**record["scores"], **record.get("window_scores", {})}


def without_top5(scores: Mapping[str, Any], classes: int, primary: str) -> dict[str, Any]:
    """Return `scores` without top5 below ten classes, unless it is the primary score."""
    few = classes < TOP5_CLASSES and primary != "top5"
    return {name: score for name, score in scores.items() if not (few and name == "top5")}
