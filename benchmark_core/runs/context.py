"""Folders, device and reporter of a run. They are not part of its plan, so they do not change its digest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmark_core.progress import Reporter, Silent


@dataclass(frozen=True, kw_only=True)
class ExtraPaths:
    """Folders of the extra data that a plan names: unlabelled set, high-view source, and the teacher's run folder.

    None if the plan names no such data, or if its dataset is drawn by code.
    """

    unlabelled: Path | None = None
    high_source: Path | None = None
    teacher: Path | None = None


NO_EXTRA_PATHS = ExtraPaths()


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """Where a run reads and writes, and how it behaves on this machine.

    data: folder of the plan's dataset; None if it is drawn by code. out: run folder. cache: clip store and stages.
    extra: folders of the plan's extra data. bad_clips: "fail" or "skip", for clips that cannot be decoded.
    shared_clips: "fail" or "warn", for training clips with the content of a test clip; None for the dataset's own.
    device: such as "cuda:1"; None picks the first accelerator, else the CPU. refit: train cached stages again.
    track: trackers of the run, each `NAME` or `NAME:PROJECT`.
    validate: score every N-th epoch on held-out clips; 0: none.
    """

    out: Path
    cache: Path
    data: Path | None = None
    extra: ExtraPaths = NO_EXTRA_PATHS
    reporter: Reporter = Silent()
    bad_clips: str = "fail"
    shared_clips: str | None = None
    device: str | None = None
    refit: bool = False
    track: tuple[str, ...] = ()
    validate: int = 0
