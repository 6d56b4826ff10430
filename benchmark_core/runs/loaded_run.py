"""A finished run's recognizer, rebuilt from its folder alone: the record's plan, and the weights beside it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from benchmark_core.catalog import Catalog
from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components, check_combination
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of, with_options
from benchmark_core.progress import Reporter, follow
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.prepare import frames_at_once, stock_of
from benchmark_core.scoring.predict import predict
from benchmark_core.specs import DatasetSpec
from benchmark_core.specs.index import Clip, Index

WEIGHTS = "recognizer.safetensors"


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """A trained recognizer with its plan. `components.dataset` has the classes and task of the run.

    recognizer: a `torch.nn.Module`: low views, float (B, K, 3, T, h, w) in [0, 1], to logits (B, C).
    """

    plan: Plan
    components: Components
    recognizer: Recognizer

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C classes, in the order of the logits."""
        return self.components.dataset.classes

    @property
    def task(self) -> str:
        """`single-label` (softmax of the logits) or `multi-label` (sigmoid)."""
        return self.components.dataset.task

    @property
    def sampling(self) -> tuple[int, int]:
        """(K, T): intervals of a clip, and frames of an interval."""
        sampling = Sampling.parse(self.plan.sampling)
        return sampling.k, sampling.t

    @property
    def low_size(self) -> tuple[int, int] | None:
        """(h, w) of the low views in pixels; None if clips are taken as recorded and differ in size."""
        return self.components.degradation.low


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Clips in listed order: targets int (N,), 0/1 (N, C), or None without labels; logits float32 (N, C).

    bad: ids of clips that could not be read. padded: clips too short for the sampling, whose last frame repeated.
    """

    ids: tuple[str, ...]
    targets: npt.NDArray[Any] | None
    logits: npt.NDArray[np.float32]
    bad: tuple[str, ...]
    padded: int


def load_run(folder: Path, record: RunRecord, catalog: Catalog, dataset: str | None = None) -> LoadedRun:
    """The recognizer of the run in `folder`, for the clips of `dataset`, by default its own.

    Another dataset has its own options at their defaults, its first protocol and that one's first fold.
    Raises ElrError where a component or the dataset is not in the catalog, the dataset has other classes or cannot be
    seen by this recognizer, or the weights are absent, torn, or of another structure than the plan's.
    """
    plan = Plan.from_json(record["plan"])
    if fused := record.get("fused"):
        raise ElrError(
            f"{folder} is the mean of two runs, {' and '.join(fused)}, and has no recognizer of its own; predict with "
            "the run folder of each"
        )
    if dataset is not None and dataset != plan.dataset:
        plan = _moved(plan, catalog, dataset)
    components = components_of(catalog, plan)
    classes = tuple(record["per_class"]["classes"])
    if components.dataset.classes and components.dataset.classes != classes:
        raise ElrError(
            f"{folder} tells {len(classes)} classes apart (first: {classes[0]}), which are not those of dataset "
            f"'{components.dataset.name}'; predict on one with the same classes, or on a pool without any"
        )
    # A pool has no classes of its own, and its clips are taken as the run took its own: recorded low, where it did.
    low = components.dataset.natively_low or (not components.dataset.classes and components.degradation.crop == "none")
    spec = dataclasses.replace(
        components.dataset,
        classes=classes,
        task=record["track"]["task"],
        metric=record["primary"],
        natively_low=low,
    )
    components = dataclasses.replace(components, dataset=spec)
    check_combination(plan, components)
    fresh = dataclasses.replace(plan, weights="scratch")  # the trained weights follow
    recognizer = recognizer_of(fresh, components, high=components.method.oracle)
    restore(recognizer, folder / WEIGHTS)
    return LoadedRun(plan=plan, components=components, recognizer=recognizer.eval())


def _moved(plan: Plan, catalog: Catalog, dataset: str) -> Plan:
    spec, options = with_options(catalog, "dataset", dataset)
    assert isinstance(spec, DatasetSpec)
    settings = {key: value for key, value in plan.settings.items() if not key.startswith("dataset.")}
    settings |= {f"dataset.{key}": value for key, value in options.items()}
    protocol = spec.default_protocol
    fold = (spec.protocols[protocol].folds or ("",))[0]  # a pool has none
    settings = dict(sorted(settings.items()))
    return dataclasses.replace(
        plan, dataset=dataset, protocol=protocol, fold=fold, classes=(), settings=settings, holdout=0.0
    )


def restore(recognizer: Recognizer, path: Path) -> None:
    """Loads the weights in `path`, which must be the recognizer's own tensors, every one, at their sizes."""
    if not path.is_file():
        raise ElrError(f"the weights {path} are not there; run the plan again")
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ElrError(f"the weights {path} cannot be read ({error}); run the plan again") from error
    due = recognizer.state_dict()
    differ = [name for name in [*due, *(found.keys() - due.keys())] if _shape(found, name) != _shape(due, name)]
    if differ:
        name = differ[0]
        raise ElrError(
            f"the weights {path} are of another structure than the record's plan: {len(differ)} of {len(due)} tensors "
            f"differ (first: {name}, {_shape(found, name)} where {_shape(due, name)} is due); run the plan again"
        )
    recognizer.load_state_dict(found)


def _shape(state: dict[str, Tensor], name: str) -> str:
    return "x".join(map(str, state[name].shape)) or "one number" if name in state else "nothing"


@holds_reader_lock
def predict_clips(
    deployed: LoadedRun,
    split: Literal["test", "pool"],
    *,
    data: Path | None,
    cache: Path,
    bad_clips: str,
    device: torch.device,
    reporter: Reporter,
) -> Predicted:
    """Logits for the test clips of the plan's fold, or for the dataset's clips without labels.

    A clip too short for the sampling is padded, as in training. Raises ElrError where the folder or the lists are not
    there, there is no such clip, or (with bad_clips "fail") one cannot be read.
    """
    plan, components = deployed.plan, deployed.components
    high = components.method.oracle
    # The pool does not depend on whether training videos are at hand.
    careful = bad_clips if split == "test" else "skip"
    index = list_clips(
        components.dataset, plan.protocol, components.options(plan, "dataset"), data=data, bad_clips=careful
    )
    clips = _clips(index, deployed, split, data)
    stock = stock_of(plan, components)
    store = ClipStore(cache)
    with reporter.steps(f"{split} clips", len(clips)) as advance:
        report = ensure_views(
            store, clips, stock.formats(low=not high, high=high), bad_clips=bad_clips, progress=follow(advance)
        )
    for key, reason in report.bad:
        reporter.warn(f"clip '{key}' is left out: {reason}")
    bad = {key for key, _ in report.bad}
    good = [clip for clip in clips if clip.id not in bad]
    if not good:
        raise ElrError(f"{components.dataset.name}: none of the {len(clips)} {split} clips could be decoded")
    views = Views(
        good,
        store,
        stock,
        sampling=Sampling.parse(plan.sampling),
        widen=frames_at_once(plan, components),
        classes=len(components.dataset.classes),
        multi_label=components.dataset.task == "multi-label",
        low=not high,
        high=high,
    )
    ids, targets, logits = predict(
        deployed.recognizer.to(device), views, device=device, precision=plan.precision, high=high, reporter=reporter
    )
    return Predicted(
        ids=tuple(ids),
        targets=None if split == "pool" else targets,
        logits=logits,
        bad=tuple(sorted(bad)),
        padded=views.padded,
    )


def _clips(index: Index, deployed: LoadedRun, split: str, data: Path | None) -> tuple[Clip, ...]:
    plan, name = deployed.plan, deployed.components.dataset.name
    where = "" if data is None else f" under {data}"
    if split == "pool":
        if not index.unlabelled:
            raise ElrError(f"dataset '{name}' lists no clips without labels{where}; --split test takes its test clips")
        return tuple(index.by_id[key] for key in index.unlabelled)
    clips = index.split(plan.fold, "test") if plan.fold in index.folds else ()
    if not clips:
        raise ElrError(f"dataset '{name}' has no test clips in fold {plan.fold} of {plan.protocol_name}{where}")
    return clips
