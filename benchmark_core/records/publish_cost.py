"""Write a cost record into the leaderboards, in place of records that say no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmark_core.errors import ElrError
from benchmark_core.names import file_name
from benchmark_core.records.cost_record import cost_name, read_cost, replaces, write_cost


def publish_cost(folder: Path, record: Mapping[str, Any], *, say: Callable[[str], None]) -> Path:
    """Write a record, delete those it supersedes, and return its path.

    say: receives a line for each record that is replaced or deleted.
    """
    path = folder / cost_name(record)
    replacing = replaces(path, record)
    written = write_cost(folder, record)
    if replacing:
        say(f"{path}: replaces an earlier measurement of the same structure and device")
    for old in superseded(folder, record):
        old.unlink()
        say(f"{old}: deleted, because {path.name} has the same counts and a latency")
    return written


def superseded(folder: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return other cost records in `folder` that say nothing which `record` does not say.

    Such a record has the same structure, parameters and MACs, and no figure of its device: it was counted on a CPU
    before latency was measured there. Without a latency, `record` supersedes nothing.
    """
    if not (record["latency"] or record.get("cpu_latency")):
        return []
    found = []
    for path in sorted(folder.glob(f"{file_name(record['structure'])}-*.json")):
        if path == folder / cost_name(record):
            continue
        try:
            other = read_cost(path)
        except ElrError:  # `elrbench leaderboard` reports it
            continue
        equal = all(other[key] == record[key] for key in ("structure", "params", "macs", "understated"))
        if equal and not (other["latency"] or other.get("cpu_latency") or other.get("flow")):
            found.append(path)
    return found
