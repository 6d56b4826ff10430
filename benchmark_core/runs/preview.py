"""Count what a run will train on before its clips are decoded, for the time estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark_core.clips.flow_format import FlowFormat
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.store import ClipStore
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.extra_data import Listed, clips_digest, readable, without_tested
from benchmark_core.runs.fold_data import stage_inputs
from benchmark_core.runs.lists import Listing
from benchmark_core.specs.index import Clip
from benchmark_core.training.keys import StageInputs

SAMPLE = 16  # training clips that are decoded to estimate the mean length of all


@dataclass(frozen=True, kw_only=True)
class CountedClips:
    """The clips that will train, if every readable file can be decoded. Depends on lists and files alone.

    train: clips. digest, unlabelled_digest, hr_source_digest, held_out_digest: see `StageInputs`. unlabelled,
    hr_source: numbers of clips; None if the plan names no such set.
    """

    train: tuple[Clip, ...]
    digest: str
    unlabelled: int | None
    unlabelled_digest: str
    hr_source: int | None
    hr_source_digest: str
    held_out_digest: str


def count_clips(plan: Plan, listing: Listing, store: ClipStore) -> CountedClips:
    """Count the clips of `listing` that can be read, and digest them. Decodes nothing."""
    train = readable(listing.index.split(plan.fold, "train"), store)
    tested = listing.tested(plan)

    def count(listed: Listed | None) -> tuple[int | None, str]:
        if listed is None:
            return None, ""
        clips = without_tested(readable(listed.clips, store), tested, store)
        return len(clips), clips_digest(clips, store)

    held_out = readable(listing.index.split(plan.fold, "test"), store) if plan.keep else []
    unlabelled, unlabelled_digest = count(listing.unlabelled)
    hr_source, hr_source_digest = count(listing.hr_source)
    return CountedClips(
        train=tuple(train),
        digest=clips_digest(train, store),
        unlabelled=unlabelled,
        unlabelled_digest=unlabelled_digest,
        hr_source=hr_source,
        hr_source_digest=hr_source_digest,
        held_out_digest=clips_digest(held_out, store) if plan.keep else "",
    )


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Numbers of clips that will train, and the inputs of the stages, if every readable file can be decoded.

    unlabelled, hr_source: numbers of clips; None if the plan names no such set. frames: mean length of a clip; None if
    no sampled clip could be decoded.
    """

    clips: int
    unlabelled: int | None
    hr_source: int | None
    inputs: StageInputs
    frames: int | None


def preview(
    plan: Plan, components: Components, context: RunContext, listing: Listing, owners: Mapping[str, str]
) -> Preview:
    """Count the clips of `listing` and read their digests; decode only `SAMPLE` of the training clips.

    owners: kind of component -> identity of its plugin.
    """
    view_plan = view_plan_of(plan, components)
    store = ClipStore(context.cache, context.reporter)
    counted = count_clips(plan, listing, store)
    train = counted.train
    oracle = components.method.oracle
    fmt = view_plan.formats(low=not oracle, high=oracle)[0]
    fmt = fmt.source if isinstance(fmt, FlowFormat) else fmt
    assert isinstance(fmt, StoredFormat)
    sample = train[:: max(1, len(train) // SAMPLE)][:SAMPLE]
    bad = {key for key, _ in store.ensure(sample, [fmt], bad_clips="skip").bad}
    reader = store.reader(fmt)
    lengths = [reader.count(clip) for clip in sample if clip.id not in bad]
    return Preview(
        clips=len(train),
        unlabelled=counted.unlabelled,
        hr_source=counted.hr_source,
        inputs=stage_inputs(
            view_plan,
            owners,
            clips=counted.digest,
            unlabelled=counted.unlabelled_digest,
            hr_source=counted.hr_source_digest,
            held_out=counted.held_out_digest,
        ),
        frames=round(sum(lengths) / len(lengths)) if lengths else None,
    )
