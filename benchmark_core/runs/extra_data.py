"""Clips beside the plan's dataset: a pool without labels, a source of high views. Never a clip that is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from benchmark_core.canonical import digest_of
from benchmark_core.catalog import Catalog
from benchmark_core.clips.bad_clip import BadClip, BadClips
from benchmark_core.clips.classes import restrict
from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.listing import list_clips, refuse_missing
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import PreparedFormat
from benchmark_core.errors import ElrError
from benchmark_core.names import ComponentName
from benchmark_core.plans.extra_paths import ExtraPaths
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import with_options
from benchmark_core.progress import Reporter, follow
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Index

UNLABELLED, SOURCE = "unlabelled", "source"  # what messages call the clips of a pool, and of a high source


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """A dataset beside the plan's own, and the folder that it lies in. name: as the plan holds it."""

    name: str
    spec: DatasetSpec
    options: Mapping[str, Value]
    root: Path | None


@dataclass(frozen=True, kw_only=True)
class ExtraSet:
    """The clips of such a set that are in the store.

    manifest: its index's digest, alike in all folds. digest: of these clips' ids, targets and contents.
    tested: how many were left out because the run is tested on them. bad: ids of those that cannot be read.
    """

    name: str
    clips: tuple[Clip, ...]
    manifest: str
    digest: str
    tested: int
    bad: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """What a record says of it."""
        told: dict[str, object] = {"name": self.name, "clips": len(self.clips), "manifest": self.manifest}
        return told | {"tested": self.tested, "bad": list(self.bad)}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """What a set gives, before it is held against the test clips. manifest: its index's digest."""

    clips: tuple[Clip, ...]
    manifest: str


def extra_sets(catalog: Catalog, plan: Plan, extra: ExtraPaths) -> tuple[ClipSet | None, ClipSet | None]:
    """The pool and the high source that a plan names; None for what it does not."""
    pool = clip_set(catalog, plan.unlabelled, extra.unlabelled, "--unlabelled-data") if plan.unlabelled else None
    source = clip_set(catalog, plan.source, extra.high_source, "--high-source-data") if plan.source else None
    return pool, source


def clip_set(catalog: Catalog, name: str, root: Path | None, flag: str) -> ClipSet:
    """The set that a plan names. ElrError where it is a template's and its folder is not told by `flag`."""
    if name not in catalog.datasets and catalog.datasets[ComponentName.parse(name).base].at is not None:
        catalog, name = catalog.placed(name, root, flag)
    spec, options = with_options(catalog, "dataset", name)
    return ClipSet(name=name, spec=cast("DatasetSpec", spec), options=options, root=root)


def pool_clips(pool: ClipSet, plan: Plan, bad_clips: str) -> Listed:
    """The clips that a set gives as a pool, without their labels.

    Those that it lists as a pool; else those that train in the plan's fold where the set is the plan's dataset, and in
    the first fold of its first protocol otherwise. ElrError where its lists are not there, or name none.
    """
    own = ComponentName.parse(plan.dataset).base == ComponentName.parse(pool.name).base
    protocol, fold = (plan.protocol, plan.fold) if own else (pool.spec.default_protocol, "")
    index = list_clips(pool.spec, protocol, pool.options, data=pool.root, bad_clips="skip")
    clips = [index.by_id[key] for key in index.unlabelled] or _training(pool, protocol, fold, index, bad_clips)
    if not clips:
        raise _no_clip(pool, UNLABELLED, 0)
    return Listed(clips=tuple(replace(clip, target=None) for clip in clips), manifest=index.digest())


def source_clips(source: ClipSet, target: DatasetSpec, bad_clips: str) -> Listed:
    """The training clips of a set's first protocol and fold that have classes of `target`, numbered as those are.

    ElrError where its lists are not there, or name none.
    """
    protocol = source.spec.default_protocol
    index = list_clips(source.spec, protocol, source.options, data=source.root, bad_clips="skip")
    order = {name: number for number, name in enumerate(target.classes)}
    numbers = {number: order[name] for number, name in enumerate(source.spec.classes) if name in order}
    index = restrict(index, numbers)
    clips = tuple(_training(source, protocol, "", index, bad_clips))
    if not clips:
        raise _no_clip(source, SOURCE, 0)
    return Listed(clips=clips, manifest=index.digest())


def _training(given: ClipSet, protocol: str, fold: str, index: Index, bad_clips: str) -> Sequence[Clip]:
    if bad_clips == "fail":
        refuse_missing(given.spec, index, given.root)
    fold = fold or given.spec.protocols[protocol].folds[0]
    return index.split(fold, "train") if fold in index.folds else ()


def store_extra(
    given: ClipSet,
    listed: Listed,
    *,
    test: Sequence[Clip],
    formats: Sequence[PreparedFormat],
    store: ClipStore,
    bad_clips: str,
    reporter: Reporter,
    label: str,
) -> ExtraSet:
    """Stores the clips `listed` but for those that the run is tested on: of equal content, or of the same name.

    A name counts whichever set gives it: a set may hold another's clips compressed anew, as JHMDB holds HMDB51's.
    bad_clips: as in `prepare`. Raises ElrError where no clip is left.
    """
    contents = {store.content_key(clip.source) for clip in test}
    ids = {clip.id for clip in test}
    kept = []
    for clip in listed.clips:
        try:
            tested = clip.id in ids or store.content_key(clip.source) in contents
        except BadClip:  # `ensure` finds it too, and gives its reason
            tested = False
        if not tested:
            kept.append(clip)
    with reporter.steps(f"{label} clips", len(kept)) as advance:
        report = ensure_views(store, kept, formats, bad_clips="skip", progress=follow(advance))
    if report.bad and bad_clips == "fail":
        raise BadClips([(f"{given.name} {key}", reason) for key, reason in report.bad], len(kept))
    for key, reason in report.bad:
        reporter.warn(f"{label} clip '{key}' is left out: {reason}")
    left_out = len(listed.clips) - len(kept)
    if left_out:
        named = f"{left_out} {label} clips of '{given.name}'"
        reporter.warn(f"{named} are left out: by content or name, the run is tested on them")
    bad = {key for key, _ in report.bad}
    good = tuple(clip for clip in kept if clip.id not in bad)
    if not good:
        raise _no_clip(given, label, len(listed.clips))
    return ExtraSet(
        name=given.name,
        clips=good,
        manifest=listed.manifest,
        digest=digest_of(sorted([clip.id, str(clip.target), store.content_key(clip.source)] for clip in good)),
        tested=left_out,
        bad=tuple(sorted(bad)),
    )


def _no_clip(given: ClipSet, label: str, listed: int) -> ElrError:
    where = "" if given.root is None else f" under {given.root}"
    return ElrError(f"'{given.name}' has no {label} clip to train on{where}, of {listed} listed")
