"""What one track's page shows: what was measured, what papers print, or both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark_core.tables.printed import Printed, Track
from benchmark_core.tables.ranking import TrackTable


@dataclass(frozen=True)
class Page:
    """table: None where nothing was measured. papers: by name, their title and web address."""

    track: Track
    table: TrackTable | None
    printed: tuple[Printed, ...]
    urls: Mapping[str, str]

    @property
    def title(self) -> str:
        """`puppets · subjects · average-12x16`"""
        return " · ".join(self.track[part] for part in ("dataset", "protocol", "degradation"))
