"""The clips that a finished run's recognizer predicts: those of its plan, or of another dataset. Imports no torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import with_options
from benchmark_core.specs import DatasetSpec
from benchmark_core.specs.index import Clip, Index


def on_dataset(plan: Plan, catalog: Catalog, dataset: str) -> Plan:
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


def as_trained(
    dataset: DatasetSpec,
    *,
    classes: Sequence[str],
    task: Literal["single-label", "multi-label"],
    metric: str,
    as_recorded: bool,
    where: Path,
) -> DatasetSpec:
    """Return `dataset` with the classes, task and metric of a run. ElrError if it has other classes.

    as_recorded: the recognizer takes clips as recorded. where: the recognizer's folder or file, for the error.
    """
    if dataset.classes and dataset.classes != tuple(classes):
        raise ElrError(
            f"the recognizer in {where} has {len(classes)} classes (first: {classes[0]}), which are not those of "
            f"dataset '{dataset.name}'; pass a dataset with the same classes or without labels"
        )
    # An unlabelled set has no classes. Its clips are taken to be natively low if those of the run were.
    low = dataset.natively_low or (not dataset.classes and as_recorded)
    return dataclasses.replace(dataset, classes=tuple(classes), task=task, metric=metric, natively_low=low)


def clips_to_predict(
    index: Index, plan: Plan, split: Literal["test", "pool"], *, name: str, data: Path | None
) -> tuple[Clip, ...]:
    """Return the test clips of the plan's fold, or ("pool") the unlabelled clips. ElrError if there is none.

    name: the dataset's. data: its folder, for errors.
    """
    under = "" if data is None else f" under {data}"
    if split == "pool":
        if not index.unlabelled:
            raise ElrError(f"dataset '{name}' lists no unlabelled clips{under}; pass --split test for test clips")
        return tuple(index.by_id[key] for key in index.unlabelled)
    clips = index.split(plan.fold, "test") if plan.fold in index.folds else ()
    if not clips:
        raise ElrError(f"dataset '{name}' has no test clips in fold {plan.fold} of {plan.protocol_name}{under}")
    return clips
