"""The lists of clips that a plan reads, and whether they are those that a record is of. Nothing is decoded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from benchmark_core.catalog import Catalog
from benchmark_core.clips.listing import list_clips
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.extra_paths import ExtraPaths
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.extra_data import extra_sets, pool_clips, source_clips
from benchmark_core.specs.index import Index


def read_index(plan: Plan, components: Components, data: Path | None, bad_clips: str) -> Index:
    """The dataset's lists. ElrError where the folder, the lists or (with bad_clips "fail") any clip is not there."""
    dataset = components.dataset
    index = list_clips(dataset, plan.protocol, components.options(plan, "dataset"), data=data, bad_clips=bad_clips)
    if len(index.by_id) != len(index.clips):
        twice = next(key for key, times in Counter(clip.id for clip in index.clips).items() if times > 1)
        raise ElrError(f"{dataset.name}: two clips have the id '{twice}'; its plugin must give each its own")
    for clip in index.clips:
        labels = clip.target if isinstance(clip.target, tuple) else () if clip.target is None else (clip.target,)
        if not all(0 <= label < len(dataset.classes) for label in labels):
            raise ElrError(
                f"{dataset.name}: clip '{clip.id}' is of class {clip.target}, and its {len(dataset.classes)} classes "
                "are numbered from 0; its plugin must list others"
            )
    fold = index.folds.get(plan.fold)
    if fold is not None:
        if both := set(fold.train) & set(fold.test):
            raise ElrError(
                f"{dataset.name}: {len(both)} clips of fold {plan.fold} both train and test (first: {min(both)})"
            )
        if strange := (set(fold.train) | set(fold.test)) - index.by_id.keys():
            raise ElrError(f"{dataset.name}: fold {plan.fold} names '{min(strange)}', which its index does not list")
    if fold is None or not fold.train or not fold.test:
        raise ElrError(
            f"{dataset.name}: fold {plan.fold} of {plan.protocol_name} has no clips to train or to test on"
            + (f" under {data}" if data else "; raise its options")
        )
    return index


def other_data(
    record: RunRecord, plan: Plan, catalog: Catalog, *, data: Path | None, extra: ExtraPaths, bad_clips: str
) -> str:
    """In what way the lists at hand are not those that the record is of, "" where they are.

    Raises ElrError where they cannot be read.
    """
    components = components_of(catalog, plan)
    index = read_index(plan, components, data, bad_clips)
    here: dict[Literal["dataset", "unlabelled", "high_source"], str] = {"dataset": index.digest()}
    pool, source = extra_sets(catalog, plan, extra)
    if pool is not None:
        here["unlabelled"] = pool_clips(pool, plan, bad_clips).manifest
    if source is not None:
        here["high_source"] = source_clips(source, components.dataset, bad_clips).manifest
    for kind, manifest in here.items():
        due = record[kind]["manifest"] if kind in record else "none"
        if manifest != due:
            counts = ""
            if kind == "dataset":
                train, test = (len(index.split(plan.fold, part)) for part in ("train", "test"))
                clips = record["clips"]
                counts = f" ({train} clips train and {test} test; {clips['train']} and {clips['test']} in the record)"
            name = {"dataset": plan.dataset, "unlabelled": plan.unlabelled, "high_source": plan.source}[kind]
            return (
                f"{name} is other data than {record['digest']} was run on: manifest {manifest} here, {due} in the "
                f"record{counts}"
            )
    return ""
