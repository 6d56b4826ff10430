"""Load a finished run's recognizer from its folder, and predict clips with it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from benchmark_core.catalog import Catalog
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.locks import holds_reader_lock
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.checkpoint import shape_text
from benchmark_core.networks.protocols import fit_to_state
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import Components, check_combination
from benchmark_core.plans.other_clips import as_trained, on_dataset
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.plans.stored_views import frames_at_once, view_plan_of
from benchmark_core.progress import Reporter
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.stored_clips import store_to_predict
from benchmark_core.scoring.predict import predict
from benchmark_core.scoring.predicted import Predicted

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


def load_run(folder: Path, record: RunRecord, catalog: Catalog, dataset: str | None = None) -> LoadedRun:
    """Load the recognizer of the run in `folder`, for the clips of `dataset` (default: the run's dataset).

    Another dataset is read with its default options, its first protocol and the first fold of that protocol. The folder
    of a run's own clips (`folder:my-clips`) need not be in the catalog.
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
        plan = on_dataset(plan, catalog, dataset)
    classes = record["per_class"]["classes"]
    components = components_of(catalog.without_folder(plan.dataset, classes), plan)
    spec = as_trained(
        components.dataset,
        classes=classes,
        task=record["track"]["task"],
        metric=record["primary"],
        as_recorded=components.degradation.crop == "none",
        where=folder,
    )
    components = dataclasses.replace(components, dataset=spec)
    check_combination(plan, components)
    recognizer = recognizer_of(plan.untrained, components, high=components.method.oracle)
    restore(recognizer, folder / WEIGHTS)
    return LoadedRun(plan=plan, components=components, recognizer=recognizer.eval())


def restore(recognizer: Recognizer, path: Path) -> None:
    """Load the weights in `path`. ElrError unless names and shapes of all tensors equal the recognizer's.

    Lengths that training determines (`SizedByTraining`) are taken from the file.
    """
    if not path.is_file():
        raise ElrError(f"the weights {path} do not exist; run the plan again")
    try:
        found = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ElrError(f"the weights {path} cannot be read ({error}); run the plan again") from error
    fit_to_state(recognizer, found)
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
    view_plan = view_plan_of(plan, components)
    stored = store_to_predict(
        components.dataset,
        plan,
        components.options(plan, "dataset"),
        view_plan,
        split,
        high=high,
        data=data,
        cache=cache,
        bad_clips=bad_clips,
        reporter=reporter,
    )
    views = Views(
        stored.clips,
        stored.store,
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
        bad=stored.bad,
        padded=views.padded,
    )
