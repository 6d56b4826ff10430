"""Where that lies which a plan names beside its dataset. Paths are no part of a plan: two machines keep them apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class ExtraPaths:
    """Folders of the pool, of the high source, and of the fitted teacher's run.

    None where the plan names none, or where the set is drawn by code.
    """

    unlabelled: Path | None = None
    high_source: Path | None = None
    teacher: Path | None = None


NO_EXTRA_PATHS = ExtraPaths()
