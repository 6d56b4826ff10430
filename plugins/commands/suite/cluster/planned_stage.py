"""A stage that a run will train or reuse. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark_core.names import file_name
from benchmark_core.training.stage_files import NOTE


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """A stage that a run will train or reuse.

    macs: of its training, NaN if unknown. clips: passes over one clip. high: it reads high views.
    """

    name: str
    key: str
    macs: float
    clips: float = 0.0
    high: bool = False

    def note(self, cache: Path) -> Path:
        """Return the file in the cache that exists if and only if the stage is finished."""
        return cache / "stages" / f"{file_name(self.name)}-{self.key}" / NOTE
