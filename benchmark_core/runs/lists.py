"""List the clips that a run reads, and compare the lists with those of a record. Nothing is decoded."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmark_core.catalog import Catalog
from benchmark_core.clips.listing import list_clips
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.records.fields import RunRecord
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.extra_data import Listed, clip_set, list_hr_source, list_unlabelled
from benchmark_core.scoring.pairs import MOST_PEOPLE, PAIRS
from benchmark_core.specs import DatasetSpec
from benchmark_core.specs.index import Clip, Index


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The lists of a run: the dataset's index, and the clips of the plan's extra data."""

    index: Index
    unlabelled: Listed | None = None
    hr_source: Listed | None = None

    def tested(self, plan: Plan) -> tuple[Clip, ...]:
        """Return the clips that must not be trained on: test clips, and with --holdout all clips outside the fold."""
        test = self.index.split(plan.fold, "test")
        return test + self.barred(plan)

    def barred(self, plan: Plan) -> tuple[Clip, ...]:
        """Return the clips that --holdout removes from the fold, including the dataset's own test clips."""
        if not plan.holdout:
            return ()
        index = self.index
        used = {*index.unlabelled, *(clip.id for part in ("train", "test") for clip in index.split(plan.fold, part))}
        return tuple(clip for clip in index.clips if clip.id not in used)


def list_data(plan: Plan, components: Components, catalog: Catalog, context: RunContext) -> Listing:
    """List the dataset's clips and those of the plan's extra data.

    ElrError if a folder or list is absent, is inconsistent, or (with bad_clips "fail") names an absent clip.
    """
    index = read_index(plan, components, context.data, context.bad_clips)
    unlabelled = hr_source = None
    if plan.unlabelled:
        given = clip_set(catalog, plan.unlabelled, context.extra.unlabelled, "--unlabelled-data")
        unlabelled = list_unlabelled(given, plan, context.bad_clips)
    if plan.hr_source:
        given = clip_set(catalog, plan.hr_source, context.extra.high_source, "--high-source-data")
        hr_source = list_hr_source(given, components.dataset, context.bad_clips)
    return Listing(index=index, unlabelled=unlabelled, hr_source=hr_source)


def read_index(plan: Plan, components: Components, data: Path | None, bad_clips: str) -> Index:
    """Read the dataset's lists and check them.

    ElrError if the folder, the lists or (with bad_clips "fail") a clip is absent, an id is repeated, a class number is
    out of range, or the plan's fold is empty, has a clip in both parts or (single-label) trains one class.
    """
    dataset = components.dataset
    index = list_clips(dataset, plan.protocol, components.options(plan, "dataset"), data=data, bad_clips=bad_clips)
    if len(index.by_id) != len(index.clips):
        twice = next(key for key, times in Counter(clip.id for clip in index.clips).items() if times > 1)
        raise ElrError(f"{dataset.name}: two clips have the id '{twice}'; the dataset's plugin must list unique ids")
    for clip in index.clips:
        if not all(0 <= label < len(dataset.classes) for label in clip.labels):
            raise ElrError(
                f"{dataset.name}: clip '{clip.id}' has class {clip.target}, but the {len(dataset.classes)} classes "
                "are numbered from 0; the dataset's plugin must list numbers in that range"
            )
    fold = index.folds.get(plan.fold)
    if fold is not None:
        if both := set(fold.train) & set(fold.test):
            raise ElrError(
                f"{dataset.name}: {len(both)} clips of fold {plan.fold} are in both train and test (first: {min(both)})"
            )
        if unlisted := (set(fold.train) | set(fold.test)) - index.by_id.keys():
            raise ElrError(
                f"{dataset.name}: fold {plan.fold} contains the unknown clip '{min(unlisted)}'; correct the list"
            )
    if fold is None or not fold.train or not fold.test:
        raise ElrError(
            f"{dataset.name}: fold {plan.fold} of {plan.protocol_name} has no training clips or no test clips"
            + (f" under {data}" if data else "; set its options to larger numbers")
        )
    trained = {label for clip in index.split(plan.fold, "train") for label in clip.labels}
    if len(trained) == 1 and dataset.task == "single-label":
        only = dataset.classes[trained.pop()]
        raise ElrError(f"{dataset.name}: '{only}' is the only class with training clips; add clips of another class")
    if dataset.metric == PAIRS:
        _check_pairs(dataset, plan, index)
    return index


def _check_pairs(dataset: DatasetSpec, plan: Plan, index: Index) -> None:
    """Raise ElrError if the test clips of a fold cannot be scored in pairs."""
    clips = Counter(label for clip in index.split(plan.fold, "test") for label in clip.labels)
    if not 2 <= len(clips) <= MOST_PEOPLE or max(clips.values()) < 2:
        raise ElrError(
            f"{dataset.name}: fold {plan.fold} of {plan.protocol_name} has {clips.total()} test clips of {len(clips)} "
            f"classes, but {PAIRS} needs 2 to {MOST_PEOPLE} classes, and a class with two clips"
        )


def other_data(record: RunRecord, plan: Plan, catalog: Catalog, context: RunContext) -> str:
    """Return how the lists differ from those of `record`, "" if they are equal. ElrError if they cannot be read."""
    listing = list_data(plan, components_of(catalog, plan), catalog, context)
    index = listing.index
    here: dict[Literal["dataset", "unlabelled", "high_source"], str] = {"dataset": index.digest()}
    if listing.unlabelled is not None:
        here["unlabelled"] = listing.unlabelled.manifest
    if listing.hr_source is not None:
        here["high_source"] = listing.hr_source.manifest
    for kind, manifest in here.items():
        recorded = record[kind]["manifest"] if kind in record else "none"
        if manifest != recorded:
            counts = ""
            if kind == "dataset":
                train, test = (len(index.split(plan.fold, part)) for part in ("train", "test"))
                clips = record["clips"]
                counts = (
                    f" (here {train} training and {test} test clips, in the record {clips['train']} and "
                    f"{clips['test']})"
                )
            name = {"dataset": plan.dataset, "unlabelled": plan.unlabelled, "high_source": plan.hr_source}[kind]
            return (
                f"the clips of {name} differ from those of run {record['digest']}: manifest {manifest} here, "
                f"{recorded} in the record{counts}"
            )
    return ""
