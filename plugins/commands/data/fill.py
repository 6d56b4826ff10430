"""Fill the clip store before a run: every clip of a protocol, as low and high views need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.store import ClipStore, StoreReport
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.errors import ElrError
from benchmark_core.progress import Reporter, follow
from benchmark_core.specs import DatasetSpec, DegradationSpec, Value

Wanted = Literal["both", "low", "high"]


@dataclass(frozen=True, kw_only=True)
class Filled:
    """The result of `fill`. formats: keys of the stored formats of a clip. missing: listed files that do not exist."""

    formats: tuple[str, ...]
    missing: tuple[str, ...]
    report: StoreReport

    def to_json(self) -> dict[str, Any]:
        """Return plain names and numbers."""
        return {
            "recipes": list(self.formats),
            "built": self.report.built,
            "reused": self.report.reused,
            "missing": list(self.missing),
            "broken": [{"clip": clip, "reason": reason} for clip, reason in self.report.bad],
            "seconds": round(self.report.seconds, 2),
        }


@holds_reader_lock
def fill(
    dataset: DatasetSpec,
    options: Mapping[str, Value],
    degradation: DegradationSpec,
    degradation_options: Mapping[str, Value],
    *,
    protocol: str,
    size: tuple[int, int],
    views: Wanted,
    data: Path | None,
    cache: Path,
    bad_clips: str,
    workers: int | None,
    reporter: Reporter,
) -> Filled:
    """Decode and degrade the clips of all folds of `protocol`, and of its unlabelled set, unless they are stored.

    size: (H, W) of the network; high views are stored at this size. bad_clips: "fail" raises BadClips, and ElrError
    for missing files; "skip" leaves such clips out. A call that was stopped continues if it is repeated.
    """
    refuse_native(dataset, degradation)
    index = list_clips(dataset, protocol, options, data=data, bad_clips=bad_clips)
    wanted = {key: None for fold in index.folds.values() for key in (*fold.train, *fold.test)} | dict.fromkeys(
        index.unlabelled
    )
    clips = [index.by_id[key] for key in wanted]
    if not clips:
        raise ElrError(f"{dataset.name}: {data} has no clip of protocol {protocol}; expected in it: {dataset.layout}")
    formats = view_plan(degradation, degradation_options, size=size).formats(low=views != "high", high=views != "low")
    with reporter.steps("clips", len(clips)) as advance:
        report = ensure_views(
            ClipStore(cache, reporter), clips, formats, bad_clips=bad_clips, progress=follow(advance), workers=workers
        )
    return Filled(formats=tuple(fmt.key for fmt in formats), missing=index.missing, report=report)


def refuse_native(dataset: DatasetSpec, degradation: DegradationSpec) -> None:
    """Raise ElrError if clips that are not natively low would be used as recorded."""
    if degradation.crop == "none" and not dataset.natively_low:
        raise ElrError(
            f"degradation '{degradation.name}' takes clips as recorded, but dataset '{dataset.name}' is not natively "
            "low; use e.g. --degradation average-12x16, or low-folder:PATH for your own clips of low size"
        )
