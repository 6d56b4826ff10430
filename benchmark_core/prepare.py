"""Before training: list the clips of a fold, decode and degrade them once, and hand out views."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark_core.clips.augment import Jitter
from benchmark_core.clips.bad_clip import BadClips
from benchmark_core.clips.index import Clip, Index
from benchmark_core.clips.recipes import Materials, materials
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.views import Views
from benchmark_core.combinations import Chosen
from benchmark_core.errors import ElrError
from benchmark_core.listing import list_clips
from benchmark_core.plan import Plan, digest_of
from benchmark_core.progress import Reporter, follow
from benchmark_core.training.keys import StageInputs


@dataclass(frozen=True, kw_only=True)
class Data:
    """The clips of one fold that are in the store."""

    index: Index
    train: tuple[Clip, ...]
    test: tuple[Clip, ...]
    bad: tuple[str, ...]
    store: ClipStore
    materials: Materials
    sampling: Sampling
    classes: int
    multi_label: bool

    def training_views(self, *, low: bool, high: bool, seed: int) -> Views:
        """Augmented, shuffled views of the training clips."""
        return self._views(self.train, low=low, high=high, seed=seed, train=True)

    def test_views(self, *, high: bool) -> Views:
        """The test clips at interval centres: low views, or high ones for a privileged method."""
        return self._views(self.test, low=not high, high=high, seed=0, train=False)

    def stage_inputs(self, owners: Mapping[str, str]) -> StageInputs:
        """What stages read beside the plan. owners: kind of component -> where it comes from."""
        listing = sorted([clip.id, str(clip.target), self.store.content_key(clip.source)] for clip in self.train)
        low, high = self.materials.low, self.materials.high
        return StageInputs(
            clips=digest_of(listing),
            low=low.key if low else "",
            high=high.key if high else "",
            crop=self.materials.crop,
            owners=owners,
        )

    def median_size(self) -> tuple[int, int]:
        """(h, w) of the middle test clip as recorded, by pixels: what a natively low track's cost is traced at."""
        assert self.materials.low is not None
        reader = self.store.reader(self.materials.low)
        sizes = sorted((reader.size(clip) for clip in self.test), key=lambda size: size[0] * size[1])
        return sizes[len(sizes) // 2]

    def _views(self, clips: tuple[Clip, ...], *, low: bool, high: bool, seed: int, train: bool) -> Views:
        return Views(
            clips,
            self.store,
            self.materials,
            sampling=self.sampling,
            classes=self.classes,
            multi_label=self.multi_label,
            low=low,
            high=high,
            seed=seed,
            train=train,
            jitter=Jitter() if train else None,
        )


def read_index(plan: Plan, chosen: Chosen, data: Path | None, bad_clips: str) -> Index:
    """The dataset's lists. ElrError where the folder, the lists or (with bad_clips "fail") any clip is not there."""
    dataset = chosen.dataset
    index = list_clips(dataset, plan.protocol, chosen.options(plan, "dataset"), data=data, bad_clips=bad_clips)
    if len(index.by_id) != len(index.clips):
        twice = next(key for key, times in Counter(clip.id for clip in index.clips).items() if times > 1)
        raise ElrError(f"{dataset.name}: two clips have the id '{twice}'; its plugin must give each its own")
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


def prepare(plan: Plan, chosen: Chosen, *, data: Path | None, cache: Path, bad_clips: str, reporter: Reporter) -> Data:
    """Lists and stores the clips of the plan's fold.

    bad_clips: "fail" raises BadClips with all that cannot be decoded, "skip" leaves such clips out and names them.
    """
    index = read_index(plan, chosen, data, bad_clips)
    stock = materials(chosen.degradation, chosen.options(plan, "degradation"), size=plan.size)
    store = ClipStore(cache)
    bad = list(index.missing)
    parts: dict[str, tuple[Clip, ...]] = {}
    privileged = chosen.method.privileged
    wanted = {
        "train": stock.recipes(low=not privileged, high=privileged or chosen.method.needs_high),
        "test": stock.recipes(low=not privileged, high=privileged),
    }
    reasons: dict[str, str] = {}
    for part, recipes in wanted.items():
        clips = index.split(plan.fold, part)
        with reporter.steps(f"{part} clips", len(clips)) as advance:
            report = store.ensure(clips, recipes, bad_clips="skip", progress=follow(advance))
        reasons |= dict(report.bad)
        parts[part] = tuple(clip for clip in clips if clip.id not in reasons)
        bad += sorted(key for key, _ in report.bad)
    if reasons and bad_clips == "fail":
        raise BadClips(tuple(reasons.items()), sum(len(index.split(plan.fold, part)) for part in wanted))
    for key, reason in reasons.items():
        reporter.warn(f"clip '{key}' is left out: {reason}")
    if not parts["train"] or not parts["test"]:
        raise ElrError(f"{chosen.dataset.name}: no clip of fold {plan.fold} could be decoded")
    return Data(
        index=index,
        train=parts["train"],
        test=parts["test"],
        bad=tuple(bad),
        store=store,
        materials=stock,
        sampling=Sampling.parse(plan.sampling),
        classes=len(chosen.dataset.classes),
        multi_label=chosen.dataset.task == "multi-label",
    )
