"""Test clips of a run as its networks see them: the views, and what one pass leaves behind."""

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
from benchmark_core.progress import Reporter, follow
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.loaded_run import LoadedRun
from benchmark_core.runs.prepare import frames_at_once, view_plan_of
from benchmark_core.scoring.predict import BATCH
from benchmark_core.specs.index import Clip
from benchmark_core.training.device import autocast

FRAMES = 8  # of a clip that are shown, at most


@dataclass(frozen=True)
class Material:
    """The run's test clips by id, and what reads them. ElrError from `views` where none of those asked for decodes."""

    deployed: LoadedRun
    clips: Mapping[str, Clip]
    store: ClipStore
    device: torch.device
    reporter: Reporter

    def views(self, ids: Sequence[str], *, high: bool, low: bool = True) -> Views:
        """Views of those of the clips `ids` that can be decoded, in their order."""
        plan, components = self.deployed.plan, self.deployed.components
        stock = view_plan_of(plan, components)
        asked = [self.clips[key] for key in ids if key in self.clips]
        with self.reporter.steps("clips for the report", len(asked)) as advance:
            report = ensure_views(
                self.store, asked, stock.formats(low=low, high=high), bad_clips="skip", progress=follow(advance)
            )
        bad = {key for key, _ in report.bad}
        good = [clip for clip in asked if clip.id not in bad]
        if not good:
            raise ElrError(f"none of the {len(ids)} clips asked for could be decoded")
        return Views(
            good,
            self.store,
            stock,
            sampling=Sampling.parse(plan.sampling),
            widen=frames_at_once(plan, components),
            classes=len(components.dataset.classes),
            multi_label=components.dataset.task == "multi-label",
            low=low,
            high=high,
        )

    def batches(self, views: Views, size: int) -> Iterator[Batch]:
        """On the device, in order."""
        for host in views.batches(size):
            yield views.to_device(host, self.device)

    @contextmanager
    def seeing(self) -> Iterator[None]:
        """Without gradients, in the plan's precision."""
        with torch.inference_mode(), autocast(self.device, self.deployed.plan.precision):
            yield


def material(
    deployed: LoadedRun, record: RunRecord, *, data: Path | None, cache: Path, device: torch.device, reporter: Reporter
) -> Material:
    """The clips at hand. ElrError where they are not there, or not those that the record was made with."""
    plan, components = deployed.plan, deployed.components
    index = list_clips(
        components.dataset, plan.protocol, components.options(plan, "dataset"), data=data, bad_clips="skip"
    )
    found, due = index.digest(), record["dataset"]["manifest"]
    if found != due:
        where = "" if data is None else f" under {data}"
        raise ElrError(f"the clips{where} are not those of the run: their manifest is {found}, the record's {due}")
    clips = {clip.id: clip for clip in index.split(plan.fold, "test")}
    return Material(deployed, clips, ClipStore(cache), device, reporter)


def batch_size(deployed: LoadedRun) -> int:
    """Clips of a pass: fewer of several frames, one of windows, of which a clip has as many as it is long."""
    sampling = Sampling.parse(deployed.plan.sampling)
    return 1 if sampling.kind == "windows" else max(1, BATCH // (2 * sampling.k * sampling.t))


def picked(count: int, most: int = FRAMES) -> npt.NDArray[np.int64]:
    """Of `count` frames up to `most`, evenly, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def clip_of(view: View, number: int) -> Tensor:
    """(K, C, T, h, w) of one clip of a batch."""
    return view[number]


def frames_of(view: Tensor, frames: int) -> Tensor:
    """A view (K, C, T, h, w), of which the middle `frames` of T count: (K * frames, C, h, w), one after the other."""
    first = middle(view.shape[2], frames)
    return view[:, :, first : first + frames].transpose(1, 2).flatten(0, 1)


def image_of(trace: Trace) -> Tensor:
    """What the backbone saw of the one clip of a pass, (K * T, C, H, W)."""
    image = trace.image
    return image if image.ndim == 4 else image.transpose(1, 2).flatten(0, 1)


def look(network: Recognizer, batch: Batch, *, high: bool) -> Trace:
    """One pass over a batch."""
    view = batch.high if high else batch.low
    assert view is not None
    return network.trace(view, batch.mask)
