"""Test clips of a run: their views, and one forward pass over them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.sampling import Sampling, middle
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.views import Batch, View, Views
from benchmark_core.errors import ElrError
from benchmark_core.networks.recognizer import Recognizer, Trace
from benchmark_core.plans.stored_views import frames_at_once, view_plan_of
from benchmark_core.progress import Reporter, follow
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.loaded_run import LoadedRun
from benchmark_core.scoring.predict import BATCH
from benchmark_core.specs.index import Clip
from benchmark_core.training.device import autocast

FRAMES = 8  # frames of a clip that are shown, at most


@dataclass(frozen=True)
class RunClips:
    """A run's test clips by id, with the loaded run and the clip store."""

    loaded: LoadedRun
    clips: Mapping[str, Clip]
    store: ClipStore
    device: torch.device
    reporter: Reporter

    def views(self, ids: Sequence[str], *, high: bool, low: bool = True) -> Views:
        """Return views of those of the clips `ids` that can be decoded. Raises ElrError if none can."""
        plan, components = self.loaded.plan, self.loaded.components
        stored_views = view_plan_of(plan, components)
        asked = [self.clips[key] for key in ids if key in self.clips]
        with self.reporter.steps("clips for the report", len(asked)) as advance:
            report = ensure_views(
                self.store, asked, stored_views.formats(low=low, high=high), bad_clips="skip", progress=follow(advance)
            )
        bad = {key for key, _ in report.bad}
        good = [clip for clip in asked if clip.id not in bad]
        if not good:
            raise ElrError(f"none of the {len(ids)} clips can be decoded")
        return Views(
            good,
            self.store,
            stored_views,
            sampling=Sampling.parse(plan.sampling),
            widen=frames_at_once(plan, components),
            classes=len(components.dataset.classes),
            multi_label=components.dataset.task == "multi-label",
            low=low,
            high=high,
        )

    def batches(self, views: Views, size: int) -> Iterator[Batch]:
        """Yield batches on the device, in order."""
        for host in views.batches(size):
            yield views.to_device(host, self.device)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Disable gradients and use the plan's precision."""
        with torch.inference_mode(), autocast(self.device, self.loaded.plan.precision):
            yield


def list_run_clips(
    deployed: LoadedRun, record: RunRecord, *, data: Path | None, cache: Path, device: torch.device, reporter: Reporter
) -> RunClips:
    """List the run's test clips. Raises ElrError if they are missing or differ from those of the record."""
    plan, components = deployed.plan, deployed.components
    index = list_clips(
        components.dataset, plan.protocol, components.options(plan, "dataset"), data=data, bad_clips="skip"
    )
    found, expected = index.digest(), record["dataset"]["manifest"]
    if found != expected:
        where = "" if data is None else f" in {data}"
        raise ElrError(f"the clips{where} differ from those of the run: manifest {found}, recorded {expected}")
    clips = {clip.id: clip for clip in index.split(plan.fold, "test")}
    return RunClips(deployed, clips, ClipStore(cache, reporter), device, reporter)


def batch_size(deployed: LoadedRun) -> int:
    """Return clips per pass: fewer if clips have several frames; 1 for windows, whose number grows with the clip."""
    sampling = Sampling.parse(deployed.plan.sampling)
    return 1 if sampling.kind == "windows" else max(1, BATCH // (2 * sampling.k * sampling.t))


def even_frames(count: int, most: int = FRAMES) -> npt.NDArray[np.int64]:
    """Return up to `most` of `count` frame numbers, evenly spaced, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def clip_of(view: View, number: int) -> Tensor:
    """Return (K, C, T, h, w) of one clip of a batch."""
    return view[number]


def frames_of(view: Tensor, frames: int) -> Tensor:
    """Return the middle `frames` of T of a view (K, C, T, h, w) as (K * frames, C, h, w)."""
    first = middle(view.shape[2], frames)
    return view[:, :, first : first + frames].transpose(1, 2).flatten(0, 1)


def image_of(trace: Trace) -> Tensor:
    """Return the backbone's input of a pass over one clip, (K * T, C, H, W)."""
    image = trace.image
    return image if image.ndim == 4 else image.transpose(1, 2).flatten(0, 1)


def trace_batch(network: Recognizer, batch: Batch, *, high: bool) -> Trace:
    """Run a network on a batch and return its trace."""
    view = batch.high if high else batch.low
    assert view is not None
    return network.trace(view, batch.mask)
