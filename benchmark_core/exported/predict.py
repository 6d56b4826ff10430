"""Predict clips with an exported recognizer. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmark_core.catalog import Catalog
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.view_plan import ViewPlan, view_plan
from benchmark_core.errors import RunFailed
from benchmark_core.exported.clip_frames import ClipFrames
from benchmark_core.exported.metadata import Metadata
from benchmark_core.exported.model import ExportedModel
from benchmark_core.plans.lookup import find
from benchmark_core.plans.other_clips import as_trained, on_dataset
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of, dataset_of
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Reporter
from benchmark_core.runs.stored_clips import StoredClips, store_to_predict
from benchmark_core.scoring.fusion import mean_of_sigmoids, mean_of_softmax
from benchmark_core.scoring.predicted import Predicted
from benchmark_core.specs import DatasetSpec, defaults

Logits = npt.NDArray[np.float32]  # (N, C)
Run = Callable[[npt.NDArray[np.uint8]], Logits]  # frames (V, K, C, T, h, w) -> logits (V, C)


def clips_of(metadata: Metadata, catalog: Catalog, dataset: str, where: Path) -> tuple[Plan, DatasetSpec, ViewPlan]:
    """Return plan, dataset and view plan with which the clips of `dataset` are read. where: the file, for errors.

    Only dataset and degradation must be in the catalog; for optical flow, all components. Raises ElrError if one is
    not, or if the dataset has other classes than the file.
    """
    plan = metadata.as_plan
    if dataset != plan.dataset:
        plan = on_dataset(plan, catalog, dataset)
    degradation = find(catalog.degradations, plan.degradation)[0]
    spec = as_trained(
        dataset_of(catalog, plan),
        classes=metadata.classes,
        task=metadata.task,
        metric=metadata.metric,
        as_recorded=degradation.crop == "none",
        where=where,
    )
    if metadata.stream == "flow":
        return plan, spec, view_plan_of(plan, components_of(catalog, plan))
    options = defaults(degradation) | plan.options("degradation")
    return plan, spec, view_plan(degradation, options, size=plan.size, high_size=plan.high_size)


@holds_reader_lock
def predict_exported(
    model: ExportedModel,
    catalog: Catalog,
    dataset: str,
    split: Literal["test", "pool"],
    *,
    data: Path | None,
    cache: Path,
    bad_clips: str,
    reporter: Reporter,
) -> tuple[DatasetSpec, Predicted]:
    """Return the dataset, with the file's classes, and the logits of its test clips or ("pool") unlabelled clips.

    Each clip is read as by the run. Raises ElrError as `runs.loaded_run.predict_clips` does.
    """
    metadata = model.metadata
    plan, spec, stored_views = clips_of(metadata, catalog, dataset, model.path)
    options = defaults(spec) | plan.options("dataset")
    stored = store_to_predict(
        spec,
        plan,
        options,
        stored_views,
        split,
        high=metadata.view == "high",
        data=data,
        cache=cache,
        bad_clips=bad_clips,
        reporter=reporter,
    )
    return spec, predict_stored(model, stored, stored_views, split, reporter)


def predict_stored(
    model: ExportedModel,
    stored: StoredClips,
    stored_views: ViewPlan,
    split: Literal["test", "pool"],
    reporter: Reporter,
    run: Run | None = None,
) -> Predicted:
    """Return the logits of clips that are in the store. The caller holds the reader lock.

    run: computes logits instead of the model, for another file of the same metadata and shape.
    """
    frames = ClipFrames(stored.clips, stored.store, stored_views, model.metadata, model.view[2:])
    logits = logits_of(run or model.logits, frames, reporter)
    return Predicted(
        ids=tuple(clip.id for clip in stored.clips),
        targets=None if split == "pool" else targets_of(frames),
        logits=logits,
        bad=stored.bad,
        padded=frames.padded,
    )


def logits_of(run: Run, frames: ClipFrames, reporter: Reporter) -> Logits:
    """Return the logits (N, C) of all clips; of several passes of a clip, those of the mean probability.

    Raises RunFailed if logits are not finite.
    """
    mean = mean_of_sigmoids if frames.metadata.multi_label else mean_of_softmax
    found = []
    with reporter.steps("exported", len(frames.clips), unit="clips") as advance:
        for clip in frames.clips:
            each = run(frames.of(clip))  # (V, C)
            if not np.isfinite(each).all():
                raise RunFailed(f"logits of clip '{clip.id}' are not finite; export the run again")
            one = each if len(each) == 1 else mean([row[None].astype(np.float64) for row in each])
            found.append(one.astype(np.float32))
            advance(1)
    return np.concatenate(found)


def targets_of(frames: ClipFrames) -> npt.NDArray[Any]:
    """Return int64 (N,), or 0/1 (N, C) if clips may have several classes."""
    if not frames.metadata.multi_label:
        return np.array([-1 if clip.target is None else clip.target for clip in frames.clips], dtype=np.int64)
    targets = np.zeros((len(frames.clips), len(frames.metadata.classes)), np.float32)
    for row, clip in enumerate(frames.clips):
        targets[row, list(clip.labels)] = 1
    return targets
