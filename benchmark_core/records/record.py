"""The record of one finished run as a file: its name, where it lies, read and written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.checksum import read_json, read_sealed, seal, write_sealed
from benchmark_core.records.consistency import check_record, check_result
from benchmark_core.records.fields import RunRecord


def record_name(record: Mapping[str, Any]) -> str:
    """METHOD-DIGEST.json"""
    return f"{file_name(record['plan']['method'])}-{record['digest']}.json"


def write_record(folder: Path, record: Mapping[str, Any]) -> Path:
    """Checks, seals and writes METHOD-DIGEST.json in `folder`, whole or not at all; ElrError naming what is wrong."""
    check_result(check_record(seal(record)))
    return write_sealed(folder / record_name(record), record)


def find_record(run_folder: Path) -> Path:
    """The run record in a run folder. ElrError where there is no such folder, or it holds none or several."""
    if not run_folder.is_dir():
        raise ElrError(f"there is no run folder {run_folder}; name the folder that 'elrbench run' left")
    contents = {path: read_json(path) for path in sorted(run_folder.glob("*.json"))}
    runs = [path for path, content in contents.items() if isinstance(content, dict) and content.get("kind") == "run"]
    if len(runs) != 1:
        raise ElrError(f"{run_folder} holds {len(runs)} run records, not one; name the folder of one finished run")
    return runs[0]


def part_folder(run_folder: Path, digest: str, part: str) -> Path:
    """Where the run `part` lies, one of those that the run `digest` in `run_folder` fuses.

    Beside it, as runs lie by their digests; in it, where it was given another name.
    """
    return (run_folder.parent if run_folder.name == digest else run_folder) / part


def read_record(path: Path) -> RunRecord:
    """The run record in `path`; ElrError of one line that names the file and what is wrong with it."""
    record = read_sealed(path, "run", RunRecord)
    try:
        check_result(whole := check_record(record))
    except ElrError as error:
        raise ElrError(f"{path}: {error}") from error
    return whole
