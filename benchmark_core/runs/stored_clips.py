"""Decode the clips that a recognizer predicts into the clip store. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.errors import ElrError
from benchmark_core.plans.other_clips import clips_to_predict
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter, follow
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip


@dataclass(frozen=True, kw_only=True)
class StoredClips:
    """Clips that are in the store. bad: ids of those that cannot be decoded, sorted."""

    clips: tuple[Clip, ...]
    bad: tuple[str, ...]
    store: ClipStore


def store_to_predict(
    dataset: DatasetSpec,
    plan: Plan,
    options: Mapping[str, Value],
    view_plan: ViewPlan,
    split: Literal["test", "pool"],
    *,
    high: bool,
    data: Path | None,
    cache: Path,
    bad_clips: str,
    reporter: Reporter,
) -> StoredClips:
    """Store the views of the test clips of the plan's fold, or ("pool") of the dataset's unlabelled clips.

    options: the dataset's. high: store high views, for an oracle. The caller holds the reader lock of `cache`.
    Raises ElrError if folder or lists are absent, if there is no such clip, or (with bad_clips "fail") if one cannot be
    decoded.
    """
    # Unlabelled clips can be predicted without the training videos.
    on_missing = bad_clips if split == "test" else "skip"
    index = list_clips(dataset, plan.protocol, options, data=data, bad_clips=on_missing)
    clips = clips_to_predict(index, plan, split, name=dataset.name, data=data)
    return store_clips(clips, view_plan, split, name=dataset.name, high=high, cache=cache, bad_clips=bad_clips,
                       reporter=reporter)  # fmt: skip


def store_clips(
    clips: tuple[Clip, ...],
    view_plan: ViewPlan,
    what: str,
    *,
    name: str,
    high: bool,
    cache: Path,
    bad_clips: str,
    reporter: Reporter,
) -> StoredClips:
    """Store the views of `clips`. what: "test", for progress and errors. name: the dataset's. Raises as above."""
    store = ClipStore(cache, reporter)
    with reporter.steps(f"{what} clips", len(clips)) as advance:
        formats = view_plan.formats(low=not high, high=high)
        report = ensure_views(store, clips, formats, bad_clips=bad_clips, progress=follow(advance))
    for key, reason in report.bad:
        reporter.warn(f"clip '{key}' is left out: {reason}")
    bad = {key for key, _ in report.bad}
    good = tuple(clip for clip in clips if clip.id not in bad)
    if not good:
        raise ElrError(f"{name}: none of the {len(clips)} {what} clips could be decoded")
    return StoredClips(clips=good, bad=tuple(sorted(bad)), store=store)
