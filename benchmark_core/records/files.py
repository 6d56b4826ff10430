"""Layout of a leaderboards folder.

records/DATASET/PROTOCOL/DEGRADATION/METHOD-DIGEST.json and costs/STRUCTURE-DEVICE.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from benchmark_core.names import file_name

RECORDS = "records"
COSTS = "costs"
TABLES = "tables"


def track_path(track: Mapping[str, Any]) -> PurePosixPath:
    """Return DATASET/PROTOCOL/DEGRADATION, each converted to a safe file name."""
    return PurePosixPath(*(file_name(track[part]) for part in ("dataset", "protocol", "degradation")))


def run_files(leaderboards: Path) -> list[Path]:
    """Return the paths of all run records, sorted by name."""
    return _json_under(leaderboards / RECORDS)


def cost_files(leaderboards: Path) -> list[Path]:
    """Return the paths of all cost records, sorted by name."""
    return _json_under(leaderboards / COSTS)


def _json_under(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*.json") if not path.name.startswith("."))
    return sorted(found, key=lambda path: path.relative_to(folder).parts)
