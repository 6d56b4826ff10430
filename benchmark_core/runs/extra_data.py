"""Extra data: clips of other datasets that training reads, without any clip that the run is tested on.

Two kinds exist: an unlabelled set, and a source of high views ("hr source") for natively low clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
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
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import with_options
from benchmark_core.progress import follow
from benchmark_core.runs.context import RunContext
from benchmark_core.specs import DatasetSpec, Value
from benchmark_core.specs.index import Clip, Index

UNLABELLED, HR_SOURCE = "unlabelled", "source"  # labels of the two kinds in messages


@dataclass(frozen=True, kw_only=True)
class ClipSet:
    """A dataset that a plan names as extra data, and its folder. name: as in the plan."""

    name: str
    spec: DatasetSpec
    options: Mapping[str, Value]
    root: Path | None


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The clips that a set lists, including clips that the run is tested on.

    manifest: digest of the set's index. label: name of the clips in messages.
    """

    origin: ClipSet
    clips: tuple[Clip, ...]
    manifest: str
    label: str


@dataclass(frozen=True, kw_only=True)
class ExtraSet:
    """The clips of a set that are in the store and that the run is not tested on.

    manifest: digest of the set's index, equal for all folds. digest: `clips_digest` of these clips.
    tested: number of clips left out because the run is tested on them. bad: ids of clips that cannot be decoded.
    """

    name: str
    clips: tuple[Clip, ...]
    manifest: str
    digest: str
    tested: int
    bad: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """Return the set's entry in a record."""
        entry: dict[str, object] = {"name": self.name, "clips": len(self.clips), "manifest": self.manifest}
        return entry | {"tested": self.tested, "bad": list(self.bad)}


def clip_set(catalog: Catalog, name: str, root: Path | None, flag: str) -> ClipSet:
    """Return the set that a plan names. ElrError if the set needs a folder and `root`, the value of `flag`, is None."""
    if name not in catalog.datasets and catalog.datasets[ComponentName.parse(name).base].at is not None:
        catalog, name = catalog.with_folder(name, root, flag)
    spec, options = with_options(catalog, "dataset", name)
    return ClipSet(name=name, spec=cast("DatasetSpec", spec), options=options, root=root)


def list_unlabelled(given: ClipSet, plan: Plan, bad_clips: str) -> Listed:
    """List the clips of a set as unlabelled clips, without their labels.

    Clips outside all folds are used if the set has any. Otherwise training clips are used: for the plan's own dataset
    those of the plan's fold, for another dataset those of the default protocol's first fold.
    ElrError if the lists are absent or have no such clip.
    """
    own = given.spec.named(plan.dataset)
    protocol, fold = (plan.protocol, plan.fold) if own else (given.spec.default_protocol, "")
    index = list_clips(given.spec, protocol, given.options, data=given.root, bad_clips="skip")
    clips = [index.by_id[key] for key in index.unlabelled] or _training_clips(given, protocol, fold, index, bad_clips)
    if not clips:
        raise _no_clip(given, UNLABELLED, 0)
    plain = tuple(replace(clip, target=None) for clip in clips)
    return Listed(origin=given, clips=plain, manifest=index.digest(), label=UNLABELLED)


def list_hr_source(given: ClipSet, target: DatasetSpec, bad_clips: str) -> Listed:
    """List the training clips of a set's first protocol and fold that have classes of `target`.

    Class numbers are those of `target`. ElrError if the lists are absent or name no such clip.
    """
    protocol = given.spec.default_protocol
    index = list_clips(given.spec, protocol, given.options, data=given.root, bad_clips="skip")
    order = {name: number for number, name in enumerate(target.classes)}
    numbers = {number: order[name] for number, name in enumerate(given.spec.classes) if name in order}
    index = restrict(index, numbers)
    clips = tuple(_training_clips(given, protocol, "", index, bad_clips))
    if not clips:
        raise _no_clip(given, HR_SOURCE, 0)
    return Listed(origin=given, clips=clips, manifest=index.digest(), label=HR_SOURCE)


def _training_clips(given: ClipSet, protocol: str, fold: str, index: Index, bad_clips: str) -> Sequence[Clip]:
    if bad_clips == "fail":
        refuse_missing(given.spec, index, given.root)
    fold = fold or given.spec.protocols[protocol].folds[0]
    return index.split(fold, "train") if fold in index.folds else ()


def clips_digest(clips: Sequence[Clip], store: ClipStore) -> str:
    """Return the digest of the clips' ids, targets and contents, in any order. BadClip if a file cannot be read."""
    return digest_of(sorted([clip.id, str(clip.target), store.content_key(clip.source)] for clip in clips))


def readable(clips: Sequence[Clip], store: ClipStore) -> list[Clip]:
    """Return the clips whose files can be read. Reads every file whose digest is not known yet; decodes nothing."""
    found = []
    for clip in clips:
        with suppress(BadClip):
            store.content_key(clip.source)
            found.append(clip)
    return found


def without_tested(clips: Sequence[Clip], test: Sequence[Clip], store: ClipStore) -> list[Clip]:
    """Return the clips that have neither the content nor the id of a test clip.

    Ids are compared across sets, because JHMDB contains HMDB51's clips, compressed again.
    """
    contents = {store.content_key(clip.source) for clip in readable(test, store)}
    ids = {clip.id for clip in test}
    kept = []
    for clip in clips:
        try:
            tested = clip.id in ids or store.content_key(clip.source) in contents
        except BadClip:  # decoding reports it with its reason
            tested = False
        if not tested:
            kept.append(clip)
    return kept


def store_extra(
    listed: Listed, *, test: Sequence[Clip], formats: Sequence[PreparedFormat], store: ClipStore, context: RunContext
) -> ExtraSet:
    """Decode the listed clips into the store, without those of `test`.

    Raises BadClips if clips cannot be decoded and the context says "fail", ElrError if no clip is left.
    """
    given, label, reporter = listed.origin, listed.label, context.reporter
    kept = without_tested(listed.clips, test, store)
    with reporter.steps(f"{label} clips", len(kept)) as advance:
        report = ensure_views(store, kept, formats, bad_clips="skip", progress=follow(advance))
    if report.bad and context.bad_clips == "fail":
        raise BadClips([(f"{given.name} {key}", reason) for key, reason in report.bad], len(kept))
    for key, reason in report.bad:
        reporter.warn(f"{label} clip '{key}' is left out: {reason}")
    left_out = len(listed.clips) - len(kept)
    if left_out:
        named = f"{left_out} {label} clips of '{given.name}'"
        reporter.warn(f"{named} are left out: the run is tested on clips of the same content or name")
    bad = {key for key, _ in report.bad}
    good = tuple(clip for clip in kept if clip.id not in bad)
    if not good:
        raise _no_clip(given, label, len(listed.clips))
    return ExtraSet(
        name=given.name,
        clips=good,
        manifest=listed.manifest,
        digest=clips_digest(good, store),
        tested=left_out,
        bad=tuple(sorted(bad)),
    )


def _no_clip(given: ClipSet, label: str, listed: int) -> ElrError:
    where = "" if given.root is None else f" under {given.root}"
    return ElrError(f"dataset '{given.name}': none of the {listed} {label} clips{where} can be used for training")
