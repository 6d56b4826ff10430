"""Quantise an exported file to int8, with the ranges that activations have on training clips."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.store import ClipStore
from benchmark_core.errors import ElrError, RunFailed
from benchmark_core.exported.clip_frames import ClipFrames
from benchmark_core.exported.model import ExportedModel
from benchmark_core.networks.onnx_file import quantise
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Reporter
from benchmark_core.runs.stored_clips import StoredClips, store_clips
from benchmark_core.specs.index import Clip
from elrbench import LoadedRun
from elrbench_plugins.commands.export.onnx_model import add_metadata


def calibration_clips(
    loaded: LoadedRun, number: int, test: StoredClips, *, data: Path | None, cache: Path, reporter: Reporter
) -> StoredClips:
    """Store up to `number` training clips of the run's fold, drawn with a fixed seed. Clips that cannot be read are
    left out.

    Raises ElrError if one of them is a test clip.
    """
    plan, components = loaded.plan, loaded.components
    options = components.options(plan, "dataset")
    index = list_clips(components.dataset, plan.protocol, options, data=data, bad_clips="skip")
    clips = index.split(plan.fold, "train")
    drawn = np.sort(np.random.default_rng(0).permutation(len(clips))[:number])
    chosen = tuple(clips[row] for row in drawn)
    if not chosen:
        raise ElrError(f"{components.dataset.name}: fold {plan.fold} has no training clips to calibrate int8 with")
    stored = store_clips(
        chosen,
        view_plan_of(plan, components),
        "calibration",
        name=components.dataset.name,
        high=components.method.oracle,
        cache=cache,
        bad_clips="skip",
        reporter=reporter,
    )
    refuse_test_clips(stored.clips, test.clips, stored.store)
    return stored


def refuse_test_clips(calibration: Sequence[Clip], test: Sequence[Clip], store: ClipStore) -> None:
    """Raise ElrError if a calibration clip is a test clip, by its id or by its content."""
    tested = {clip.id for clip in test}
    contents = {store.content_key(clip.source): clip.id for clip in test}
    for clip in calibration:
        same = clip.id if clip.id in tested else contents.get(store.content_key(clip.source))
        if same is not None:
            raise ElrError(
                f"the calibration clip '{clip.id}' is the test clip '{same}', and int8 must not be fitted to test "
                "clips; remove it from one part of the dataset, or export without --int8"
            )


def write_int8(model: ExportedModel, clips: StoredClips, loaded: LoadedRun, path: Path, reporter: Reporter) -> None:
    """Write an int8 copy of `model` to `path`. Raises RunFailed if onnxruntime cannot quantise it."""
    views = view_plan_of(loaded.plan, loaded.components)
    frames = ClipFrames(clips.clips, clips.store, views, model.metadata, model.view[2:])
    with tempfile.TemporaryDirectory() as folder, reporter.steps("calibration", len(clips.clips)) as advance:

        def batch(clip: Clip) -> torch.Tensor:
            advance(1)
            one = frames.of(clip)[:1]  # (1, K, C, T, h, w): the first test view
            return torch.from_numpy(np.repeat(one, model.batch or 1, axis=0))

        draft = Path(folder) / "int8.onnx"
        try:
            quantise(model.path, draft, (batch(clip) for clip in clips.clips))
        except (ElrError, MemoryError):
            raise
        except Exception as error:  # onnxruntime's errors share no class
            raise RunFailed(f"{model.path} cannot be quantised ({error}); export without --int8") from error
        add_metadata(draft, dataclasses.replace(model.metadata, quantised="int8"), path)
