"""The decoded clips of one fold, and the views of them that training and scoring read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from benchmark_core.clips.augment import Jitter
from benchmark_core.clips.clip_views import ClipViews
from benchmark_core.clips.enhanced import Enhancer, enhanced_view_plan, ensure_enhanced
from benchmark_core.clips.formats import EnhancedFormat
from benchmark_core.clips.sampling import WHOLE, Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.clips.views import Views
from benchmark_core.progress import Reporter, Silent, follow
from benchmark_core.runs.extra_data import ExtraSet, clips_digest
from benchmark_core.specs.index import Clip, Index
from benchmark_core.training.keys import StageInputs
from benchmark_core.training.ranks import ONE, Ranks


@dataclass(frozen=True, kw_only=True)
class Data:
    """The clips of one fold that are in the store, and the extra data of the plan.

    bad: ids of clips that are absent or cannot be decoded. shared: number of training clips that have the content of a
    test clip. widen: number of frames that the enhancer takes at once. clip_views: the plan's test views.
    """

    index: Index
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    bad: tuple[str, ...]
    store: ClipStore
    view_plan: ViewPlan
    sampling: Sampling
    classes: int
    multi_label: bool
    shared: int = 0
    widen: int = 1
    clip_views: ClipViews = WHOLE
    reporter: Reporter = Silent()
    unlabelled: ExtraSet | None = None
    hr_source: ExtraSet | None = None

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
        most: int | None = None,
        ranks: Ranks = ONE,
    ) -> Views:
        """Return augmented, shuffled views of the training clips, or of the unlabelled set.

        sampling: replaces the plan's; low views then have exactly its frames.
        whole: as in testing, without augmentation, at interval centres or in all windows, in listed order.
        most: at most so many of the clips, those with the smallest hash of their ids.
        enhancer: low views are its output, read from the store; outputs that are missing are computed first, by each of
            the `ranks` for its share of the clips.

        If the plan names an hr source, high views show its clips. The low views of these clips are then scaled to the
        shorter side of one training clip each.
        """
        clips = self.train
        sides: tuple[int, ...] = ()
        if unlabelled:
            assert self.unlabelled is not None
            clips = self.unlabelled.clips
        elif high and self.hr_source is not None:
            clips, sides = self.hr_source.clips, self._shorter_sides
        clips = _some(clips, most)
        view_plan = self.view_plan
        if enhancer is not None:
            view_plan = enhanced_view_plan(view_plan, enhancer)
            assert isinstance(view_plan.low, EnhancedFormat)
            own = ranks.turn.share(clips)
            with self.reporter.steps("enhanced clips", len(own)) as advance:
                ensure_enhanced(self.store, own, view_plan.low, enhancer, progress=follow(advance))
            ranks.wait()
        return self._views(
            clips, low=low, high=high, seed=seed, train=not whole, sides=sides, sampling=sampling, view_plan=view_plan
        )

    def test_views(self, *, high: bool) -> Views:
        """Return views of the test clips at interval centres: low views, or high views for an oracle.

        They include the plan's test views.
        """
        return self._views(self.test, low=not high, high=high, seed=0, train=False, clip_views=self.clip_views)

    def stage_inputs(self, owners: Mapping[str, str], *, keep: bool = False) -> StageInputs:
        """Return what stages read besides the plan. owners: kind of component -> identity of its plugin.

        keep: the plan keeps the best epoch, so that stages also depend on the clips that are held out.
        """
        return stage_inputs(
            self.view_plan,
            owners,
            clips=clips_digest(self.train, self.store),
            held_out=self.held_out if keep else "",
            unlabelled="" if self.unlabelled is None else self.unlabelled.digest,
            hr_source="" if self.hr_source is None else self.hr_source.digest,
        )

    @cached_property
    def held_out(self) -> str:
        """The digest of the test clips, which are training clips if the plan holds some out."""
        return clips_digest(self.test, self.store)

    @cached_property
    def _shorter_sides(self) -> tuple[int, ...]:
        """Return the shorter side of each training clip as recorded, in pixels, in ascending order."""
        assert self.view_plan.low is not None
        reader = self.store.reader(self.view_plan.low)
        return tuple(sorted(min(reader.size(clip)) for clip in self.train))

    def median_size(self) -> tuple[int, int]:
        """Return (h, w) of the test clip with the median number of pixels. Natively low cost is traced at this size."""
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
        view_plan: ViewPlan | None = None,
        clip_views: ClipViews = WHOLE,
    ) -> Views:
        view_plan = view_plan or self.view_plan
        return Views(
            clips,
            self.store,
            view_plan,
            sampling=sampling or self.sampling,
            widen=1 if sampling or view_plan.enhanced else self.widen,
            classes=self.classes,
            multi_label=self.multi_label,
            low=low,
            high=high,
            seed=seed,
            train=train,
            jitter=Jitter() if train else None,
            sides=sides,
            test_views=clip_views,
        )


def stage_inputs(
    view_plan: ViewPlan,
    owners: Mapping[str, str],
    *,
    clips: str,
    unlabelled: str = "",
    hr_source: str = "",
    held_out: str = "",
) -> StageInputs:
    """Combine the digests of the clips with the keys of the stored views."""
    low, high = view_plan.low, view_plan.high
    return StageInputs(
        clips=clips,
        low=low.key if low else "",
        high=high.key if high else "",
        crop=view_plan.crop,
        owners=owners,
        unlabelled=unlabelled,
        source=hr_source,
        held_out=held_out,
    )


def _some(clips: tuple[Clip, ...], most: int | None) -> tuple[Clip, ...]:
    """Return at most `most` clips, those with the smallest hash of their ids, in their order."""
    if most is None or len(clips) <= most:
        return clips
    kept = set(sorted((clip.id for clip in clips), key=lambda name: hashlib.sha256(name.encode()).digest())[:most])
    return tuple(clip for clip in clips if clip.id in kept)
