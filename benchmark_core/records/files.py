"""Where records lie: `records/DATASET/PROTOCOL/DEGRADATION/METHOD-DIGEST.json` and `costs/STRUCTURE-DEVICE.json`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark_core.names import file_name

RECORDS = "records"
COSTS = "costs"
TABLES = "tables"


def track_path(track: Mapping[str, Any]) -> PurePosixPath:
    """DATASET/PROTOCOL/DEGRADATION, each made safe as a file's name."""
    return PurePosixPath(*(file_name(track[part]) for part in ("dataset", "protocol", "degradation")))


def run_files(leaderboards: Path) -> list[Path]:
    """All run records, in an order that depends on names alone."""
    return _json_under(leaderboards / RECORDS)


def cost_files(leaderboards: Path) -> list[Path]:
    """All cost records, in an order that depends on names alone."""
    return _json_under(leaderboards / COSTS)


def _json_under(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*.json") if not path.name.startswith("."))
    return sorted(found, key=lambda path: path.relative_to(folder).parts)
