"""Decode and degrade the clips of a fold into the clip store, before training."""

from __future__ import annotations

from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.flow_format import FlowFormat
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.validation import classes_not_held_out
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.stored_views import frames_at_once, view_plan_of
from benchmark_core.progress import follow
from benchmark_core.runs.clip_checks import check_clips
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.extra_data import ExtraSet, Listed, store_extra
from benchmark_core.runs.fold_data import Data
from benchmark_core.runs.lists import Listing, read_index
from benchmark_core.specs.index import Clip


def prepare(plan: Plan, components: Components, context: RunContext, listing: Listing | None = None) -> Data:
    """Decode and degrade the clips of the plan's fold and of its extra data into the clip store.

    listing: from `list_data`. By default only the dataset is listed, and extra data are left out.
    Raises BadClips, naming every clip that cannot be decoded, if the context says "fail"; "skip" leaves them out and
    the result names them. ElrError if no training clip or no test clip is left; see also `check_clips`.
    """
    listing = listing or Listing(index=read_index(plan, components, context.data, context.bad_clips))
    index, reporter, oracle = listing.index, context.reporter, components.method.oracle
    view_plan = view_plan_of(plan, components)
    store = ClipStore(context.cache, reporter)
    formats = {
        "train": view_plan.formats(low=not oracle, high=oracle or components.needs_high),
        "test": view_plan.formats(low=not oracle, high=oracle),
    }
    bad = list(index.missing)
    reasons: dict[str, str] = {}
    clips: dict[str, tuple[Clip, ...]] = {}
    for split, wanted in formats.items():
        listed = index.split(plan.fold, split)
        with reporter.steps(f"{split} clips", len(listed)) as advance:
            report = ensure_views(store, listed, wanted, bad_clips="skip", progress=follow(advance))
        reasons |= dict(report.bad)
        clips[split] = tuple(clip for clip in listed if clip.id not in reasons)
        bad += sorted(key for key, _ in report.bad)
    _warn_of_other_source(view_plan, store, components, context)
    if reasons and context.bad_clips == "fail":
        raise BadClips(tuple(reasons.items()), sum(len(index.split(plan.fold, split)) for split in formats))
    for key, reason in reasons.items():
        reporter.warn(f"clip '{key}' is left out: {reason}")
    if not clips["train"] or not clips["test"]:
        raise ElrError(f"{components.dataset.name}: no clip of fold {plan.fold} could be decoded")
    shared = check_clips(components.dataset, clips["train"], clips["test"], store, context)
    if plan.holdout and (without := classes_not_held_out(clips["train"], clips["test"])):
        names = ", ".join(components.dataset.classes[label] for label in without)
        reporter.warn(
            f"--holdout {plan.holdout} selects no clip of {names}: their groups are larger than this fraction"
        )

    def extra(listed: Listed | None) -> ExtraSet | None:
        if listed is None:
            return None
        wanted = view_plan.formats(low=True, high=components.needs_high)
        test = clips["test"] + listing.barred(plan)
        return store_extra(listed, test=test, formats=wanted, store=store, context=context)

    return Data(
        index=index,
        train=clips["train"],
        test=clips["test"],
        bad=tuple(bad),
        shared=shared,
        store=store,
        view_plan=view_plan,
        sampling=Sampling.parse(plan.sampling),
        classes=len(components.dataset.classes),
        multi_label=components.dataset.task == "multi-label",
        widen=frames_at_once(plan, components),
        clip_views=ClipViews.parse(plan.test_views),
        reporter=reporter,
        unlabelled=extra(listing.unlabelled),
        hr_source=extra(listing.hr_source),
    )


def _warn_of_other_source(view_plan: ViewPlan, store: ClipStore, components: Components, context: RunContext) -> None:
    """Warn if stored low views come from other source code of the degradation under the same revision number."""
    low = view_plan.low.source if isinstance(view_plan.low, FlowFormat) else view_plan.low
    if isinstance(low, StoredFormat) and store.by_other_source(low):
        context.reporter.warn(
            f"low views of '{components.degradation.name}' in the cache were made by other source code of the same "
            f"revision; to make them again, run 'elrbench cache clear clips --recipe {low.key}'"
        )
