"""Load a finished run's recognizer from its folder, and predict clips with it."""

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

from benchmark_core.catalog import Catalog
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.checkpoint import shape_text
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components, check_combination
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of, with_options
from benchmark_core.progress import Reporter, follow
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.prepare import frames_at_once, view_plan_of
from benchmark_core.scoring.predict import predict
from benchmark_core.specs import DatasetSpec
from benchmark_core.specs.index import Clip, Index

WEIGHTS = "recognizer.safetensors"


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """A trained recognizer with its plan. `components.dataset` has the classes and task of the run.

    recognizer: a `torch.nn.Module` from low views, float (B, K, 3, T, h, w) in [0, 1], to logits (B, C).
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
    """Logits float32 (N, C) of clips in listed order. targets: int (N,), 0/1 (N, C), or None for unlabelled clips.

    bad: ids of clips that cannot be decoded. padded: number of clips that are too short for the sampling, so that their
    last frame is repeated.
    """

    ids: tuple[str, ...]
    targets: npt.NDArray[Any] | None
    logits: npt.NDArray[np.float32]
    bad: tuple[str, ...]
    padded: int


def load_run(folder: Path, record: RunRecord, catalog: Catalog, dataset: str | None = None) -> LoadedRun:
    """Load the recognizer of the run in `folder`, for the clips of `dataset` (default: the run's dataset).

    Another dataset is read with its default options, its first protocol and the first fold of that protocol.
    Raises ElrError if a component is not in the catalog, if the dataset has other classes or does not fit the
    recognizer, or if the weights are absent, damaged, or of another structure than the plan's.
    """
    plan = Plan.from_json(record["plan"])
    if fused := record.get("fused"):
        raise ElrError(
            f"{folder} is the mean of two runs, {' and '.join(fused)}, and has no recognizer of its own; use the run "
            "folder of one of them"
        )
    if dataset is not None and dataset != plan.dataset:
        plan = _on_dataset(plan, catalog, dataset)
    components = components_of(catalog, plan)
    classes = tuple(record["per_class"]["classes"])
    if components.dataset.classes and components.dataset.classes != classes:
        raise ElrError(
            f"the recognizer in {folder} has {len(classes)} classes (first: {classes[0]}), which are not those of "
            f"dataset '{components.dataset.name}'; pass a dataset with the same classes or without labels"
        )
    # An unlabelled set has no classes. Its clips are taken to be natively low if those of the run were.
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
    recognizer = recognizer_of(plan.untrained, components, high=components.method.oracle)
    restore(recognizer, folder / WEIGHTS)
    return LoadedRun(plan=plan, components=components, recognizer=recognizer.eval())


def _on_dataset(plan: Plan, catalog: Catalog, dataset: str) -> Plan:
    """Replace the plan's dataset, with default options, protocol and fold."""
    spec, options = with_options(catalog, "dataset", dataset)
    assert isinstance(spec, DatasetSpec)
    settings = {key: value for key, value in plan.settings.items() if not key.startswith("dataset.")}
    settings |= {f"dataset.{key}": value for key, value in options.items()}
    protocol = spec.default_protocol
    fold = (spec.protocols[protocol].folds or ("",))[0]  # an unlabelled set has no folds
    settings = dict(sorted(settings.items()))
    return dataclasses.replace(
        plan, dataset=dataset, protocol=protocol, fold=fold, classes=(), settings=settings, holdout=0.0
    )


def restore(recognizer: Recognizer, path: Path) -> None:
    """Load the weights in `path`. ElrError unless names and shapes of all tensors equal the recognizer's."""
    if not path.is_file():
        raise ElrError(f"the weights {path} do not exist; run the plan again")
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ElrError(f"the weights {path} cannot be read ({error}); run the plan again") from error
    own = recognizer.state_dict()
    differ = [
        name
        for name in [*own, *(found.keys() - own.keys())]
        if shape_text(found.get(name)) != shape_text(own.get(name))
    ]
    if differ:
        name = differ[0]
        raise ElrError(
            f"the weights {path} do not match the structure of the record's plan: {len(differ)} of {len(own)} tensors "
            f"differ (first: {name}, found {shape_text(found.get(name), 'none')}, expected "
            f"{shape_text(own.get(name), 'none')}); run the plan again"
        )
    recognizer.load_state_dict(found)


@holds_reader_lock
def predict_clips(
    loaded: LoadedRun,
    split: Literal["test", "pool"],
    *,
    data: Path | None,
    cache: Path,
    bad_clips: str,
    device: torch.device,
    reporter: Reporter,
) -> Predicted:
    """Compute logits for the test clips of the plan's fold, or ("pool") for the dataset's unlabelled clips.

    Each clip is scored on the plan's test views. A clip too short for the sampling is padded, as in training.
    Raises ElrError if folder or lists are absent, if there is no such clip, or (with bad_clips "fail") if one cannot be
    decoded.
    """
    plan, components = loaded.plan, loaded.components
    high = components.method.oracle
    # Unlabelled clips can be predicted without the training videos.
    on_missing = bad_clips if split == "test" else "skip"
    index = list_clips(
        components.dataset, plan.protocol, components.options(plan, "dataset"), data=data, bad_clips=on_missing
    )
    clips = _clips(index, loaded, split, data)
    view_plan = view_plan_of(plan, components)
    store = ClipStore(cache, reporter)
    with reporter.steps(f"{split} clips", len(clips)) as advance:
        report = ensure_views(
            store, clips, view_plan.formats(low=not high, high=high), bad_clips=bad_clips, progress=follow(advance)
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
        view_plan,
        sampling=Sampling.parse(plan.sampling),
        widen=frames_at_once(plan, components),
        classes=len(components.dataset.classes),
        multi_label=components.dataset.task == "multi-label",
        low=not high,
        high=high,
        test_views=ClipViews.parse(plan.test_views),
    )
    ids, targets, logits = predict(
        loaded.recognizer.to(device), views, device=device, precision=plan.precision, high=high, reporter=reporter
    )
    return Predicted(
        ids=tuple(ids),
        targets=None if split == "pool" else targets,
        logits=logits,
        bad=tuple(sorted(bad)),
        padded=views.padded,
    )


def _clips(index: Index, loaded: LoadedRun, split: str, data: Path | None) -> tuple[Clip, ...]:
    plan, name = loaded.plan, loaded.components.dataset.name
    under = "" if data is None else f" under {data}"
    if split == "pool":
        if not index.unlabelled:
            raise ElrError(f"dataset '{name}' lists no unlabelled clips{under}; pass --split test for test clips")
        return tuple(index.by_id[key] for key in index.unlabelled)
    clips = index.split(plan.fold, "test") if plan.fold in index.folds else ()
    if not clips:
        raise ElrError(f"dataset '{name}' has no test clips in fold {plan.fold} of {plan.protocol_name}{under}")
    return clips
