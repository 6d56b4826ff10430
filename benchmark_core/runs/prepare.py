"""Before training: list the clips of a fold, decode and degrade them once, and hand out views."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmark_core.canonical import digest_of
from benchmark_core.clips.augment import Jitter
from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.clips.enhanced import Enhancer, enhanced_view_plan, ensure_enhanced
from benchmark_core.clips.flow import ensure_views
from benchmark_core.clips.flow_format import FlowFormat, opencv
from benchmark_core.clips.formats import EnhancedFormat, StoredFormat
from benchmark_core.clips.modality import algorithm, kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.validation import classes_not_held_out
from benchmark_core.clips.view_plan import ViewPlan, flow_view_plan, view_plan
from benchmark_core.clips.views import Views
from benchmark_core.errors import ElrError
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.progress import Reporter, Silent, follow
from benchmark_core.runs.extra_data import (
    SOURCE,
    UNLABELLED,
    ClipSet,
    ExtraSet,
    Listed,
    pool_clips,
    source_clips,
    store_extra,
)
from benchmark_core.runs.lists import read_index
from benchmark_core.specs import defaults
from benchmark_core.specs.index import Clip, Index
from benchmark_core.training.keys import StageInputs


@dataclass(frozen=True, kw_only=True)
class Data:
    """The clips of one fold that are in the store."""

    index: Index
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    bad: tuple[str, ...]
    store: ClipStore
    view_plan: ViewPlan
    sampling: Sampling
    classes: int
    multi_label: bool
    widen: int = 1  # frames that the enhancer takes at once
    reporter: Reporter = Silent()
    pool: ExtraSet | None = None
    source: ExtraSet | None = None

    def training_views(
        self,
        *,
        low: bool,
        high: bool,
        seed: int,
        unlabelled: bool = False,
        sampling: Sampling | None = None,
        enhancer: Enhancer | None = None,
        whole: bool = False,
    ) -> Views:
        """Augmented, shuffled views of the training clips, or of the pool's.

        sampling: instead of the plan's; low views then have its frames and no more.
        whole: uncut, unflipped, at interval centres or in all windows, in listed order: as in testing.
        enhancer: low views are what it makes of them, kept in the store; it is made first where it is missing.

        High ones are of the source's clips, where there is one; a low view beside such a high one then has the shorter
        side of some training clip.
        """
        clips = self.train
        sides: tuple[int, ...] = ()
        if unlabelled:
            assert self.pool is not None
            clips = self.pool.clips
        elif high and self.source is not None:
            clips, sides = self.source.clips, self._shorter_sides
        stock = self.view_plan
        if enhancer is not None:
            stock = enhanced_view_plan(stock, enhancer)
            assert isinstance(stock.low, EnhancedFormat)
            with self.reporter.steps("enhanced clips", len(clips)) as advance:
                ensure_enhanced(self.store, clips, stock.low, enhancer, progress=follow(advance))
        return self._views(
            clips, low=low, high=high, seed=seed, train=not whole, sides=sides, sampling=sampling, stock=stock
        )

    def test_views(self, *, high: bool) -> Views:
        """The test clips at interval centres: low views, or high ones for a privileged method."""
        return self._views(self.test, low=not high, high=high, seed=0, train=False)

    def stage_inputs(self, owners: Mapping[str, str]) -> StageInputs:
        """What stages read beside the plan. owners: kind of component -> where it comes from."""
        listing = sorted([clip.id, str(clip.target), self.store.content_key(clip.source)] for clip in self.train)
        low, high = self.view_plan.low, self.view_plan.high
        return StageInputs(
            clips=digest_of(listing),
            low=low.key if low else "",
            high=high.key if high else "",
            crop=self.view_plan.crop,
            owners=owners,
            unlabelled="" if self.pool is None else self.pool.digest,
            source="" if self.source is None else self.source.digest,
        )

    @cached_property
    def _shorter_sides(self) -> tuple[int, ...]:
        """Of the training clips as recorded, in order."""
        assert self.view_plan.low is not None
        reader = self.store.reader(self.view_plan.low)
        return tuple(sorted(min(reader.size(clip)) for clip in self.train))

    def mean_frames(self, *, high: bool) -> int:
        """Of a training clip, by a few hundred of them; high: for a privileged method, of which only high is stored."""
        reader = self.store.reader(self.view_plan.formats(low=not high, high=high)[0])
        some = self.train[:: -(-len(self.train) // 256)]
        return round(sum(map(reader.count, some)) / len(some))

    def median_size(self) -> tuple[int, int]:
        """(h, w) of the middle test clip as recorded, by pixels: what a natively low track's cost is traced at."""
        assert self.view_plan.low is not None
        reader = self.store.reader(self.view_plan.low)
        sizes = sorted((reader.size(clip) for clip in self.test), key=lambda size: size[0] * size[1])
        return sizes[len(sizes) // 2]

    def _views(
        self,
        clips: tuple[Clip, ...],
        *,
        low: bool,
        high: bool,
        seed: int,
        train: bool,
        sides: tuple[int, ...] = (),
        sampling: Sampling | None = None,
        stock: ViewPlan | None = None,
    ) -> Views:
        stock = stock or self.view_plan
        return Views(
            clips,
            self.store,
            stock,
            sampling=sampling or self.sampling,
            widen=1 if sampling or stock.enhanced else self.widen,
            classes=self.classes,
            multi_label=self.multi_label,
            low=low,
            high=high,
            seed=seed,
            train=train,
            jitter=Jitter() if train else None,
            sides=sides,
        )


def frames_at_once(plan: Plan, components: Components) -> int:
    """Frames that what brings the plan's low views to network size takes at once."""
    return 1 if kind(plan.modality) == "flow" else components.enhancer.frames


def stock_of(plan: Plan, components: Components) -> ViewPlan:
    """What the plan's views ask of the store. ElrError where it is flow and the extra for it is not installed."""
    stock = view_plan(components.degradation, components.options(plan, "degradation"), size=plan.size)
    if kind(plan.modality) != "flow":
        return stock
    opencv()
    spec = components.enlarges or components.enhancer
    options = components.options(plan, "enhancer") if components.enlarges is None else defaults(spec)
    return flow_view_plan(stock, algorithm(plan.modality), spec.factory, options)


def prepare(
    plan: Plan,
    components: Components,
    *,
    data: Path | None,
    cache: Path,
    bad_clips: str,
    reporter: Reporter,
    pool: ClipSet | None = None,
    source: ClipSet | None = None,
) -> Data:
    """Lists and stores the clips of the plan's fold, and those of the sets beside it.

    bad_clips: "fail" raises BadClips with all that cannot be decoded, "skip" leaves such clips out and names them.
    pool, source: what the plan's `unlabelled` and `high_source` name.
    """
    stock = stock_of(plan, components)
    index = read_index(plan, components, data, bad_clips)
    # All lists before the first clip is decoded, which may take hours.
    unlabelled = None if pool is None else pool_clips(pool, plan, bad_clips)
    lending = None if source is None else source_clips(source, components.dataset, bad_clips)
    store = ClipStore(cache)
    bad = list(index.missing)
    parts: dict[str, tuple[Clip, ...]] = {}
    oracle = components.method.oracle
    wanted = {
        "train": stock.formats(low=not oracle, high=oracle or components.needs_high),
        "test": stock.formats(low=not oracle, high=oracle),
    }
    reasons: dict[str, str] = {}
    for part, formats in wanted.items():
        clips = index.split(plan.fold, part)
        with reporter.steps(f"{part} clips", len(clips)) as advance:
            report = ensure_views(store, clips, formats, bad_clips="skip", progress=follow(advance))
        reasons |= dict(report.bad)
        parts[part] = tuple(clip for clip in clips if clip.id not in reasons)
        bad += sorted(key for key, _ in report.bad)
    low = stock.low.source if isinstance(stock.low, FlowFormat) else stock.low
    if isinstance(low, StoredFormat) and store.by_other_source(low):
        reporter.warn(
            f"low views of '{components.degradation.name}' were made by other source text of the same revision; "
            f"'elrbench cache clear clips --recipe {low.key}' has them made anew"
        )
    if reasons and bad_clips == "fail":
        raise BadClips(tuple(reasons.items()), sum(len(index.split(plan.fold, part)) for part in wanted))
    for key, reason in reasons.items():
        reporter.warn(f"clip '{key}' is left out: {reason}")
    if not parts["train"] or not parts["test"]:
        raise ElrError(f"{components.dataset.name}: no clip of fold {plan.fold} could be decoded")

    if plan.holdout and (without := classes_not_held_out(parts["train"], parts["test"])):
        names = ", ".join(components.dataset.classes[label] for label in without)
        reporter.warn(
            f"--holdout {plan.holdout} holds out no clip of {names}: their groups are too large for that share"
        )
    part_of = {*index.unlabelled, *(clip.id for part in ("train", "test") for clip in index.split(plan.fold, part))}
    barred = tuple(clip for clip in index.clips if plan.holdout and clip.id not in part_of)  # its test clips among them

    def beside(given: ClipSet | None, listed: Listed | None, label: str) -> ExtraSet | None:
        if given is None or listed is None:
            return None
        return store_extra(
            given,
            listed,
            test=parts["test"] + barred,
            formats=stock.formats(low=True, high=components.needs_high),
            store=store,
            bad_clips=bad_clips,
            reporter=reporter,
            label=label,
        )

    return Data(
        index=index,
        train=parts["train"],
        test=parts["test"],
        bad=tuple(bad),
        store=store,
        view_plan=stock,
        sampling=Sampling.parse(plan.sampling),
        classes=len(components.dataset.classes),
        multi_label=components.dataset.task == "multi-label",
        widen=frames_at_once(plan, components),
        reporter=reporter,
        pool=beside(pool, unlabelled, UNLABELLED),
        source=beside(source, lending, SOURCE),
    )
