"""Batches: the right frames, the same ones every time, and errors that arrive."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from videos import drawn

from benchmark_core.clips.augment import Jitter
from benchmark_core.clips.degraded import degrade_again
from benchmark_core.clips.prefetch import prefetch
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import ViewPlan, view_plan
from benchmark_core.clips.views import HostBatch, Views
from benchmark_core.errors import ElrError
from benchmark_core.specs.index import Clip
from elrbench_plugins.degradations import AVERAGE, BICUBIC, NATIVE

SIZE = (24, 32)
AFTER = view_plan(dataclasses.replace(AVERAGE, low=(3, 4)), {}, size=SIZE)
BEFORE = view_plan(dataclasses.replace(BICUBIC, low=(6, 8)), {}, size=SIZE)
AS_RECORDED = view_plan(NATIVE, {}, size=SIZE)
COUNT = 7


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ClipStore:
    made = ClipStore(tmp_path_factory.mktemp("cache"))
    for planned in (AFTER, BEFORE, AS_RECORDED):
        made.ensure(clips(), planned.formats(low=True, high=True))
    return made


def clips() -> list[Clip]:
    """Lengths of 5 to 11 frames; sizes that differ."""
    return [drawn(n, frames=5 + n, size=(24 + 2 * n, 32 + 3 * n), target=n % 3) for n in range(COUNT)]


def views(store: ClipStore, planned: ViewPlan = AFTER, **options) -> Views:
    components = {"sampling": Sampling.parse("4x1"), "classes": 3, "jitter": Jitter() if options.get("train") else None}
    return Views(clips(), store, planned, **{**components, **options})


def by_clip(batches: Iterator[HostBatch]) -> dict[str, tuple[torch.Tensor, ...]]:
    found = {}
    for batch in batches:
        for row, name in enumerate(batch.ids):
            parts = (batch.low, batch.high, batch.box, batch.target)
            found[name] = tuple(part[row] for part in parts if part is not None)
    return found


def same(one: dict[str, tuple[torch.Tensor, ...]], other: dict[str, tuple[torch.Tensor, ...]]) -> bool:
    return one.keys() == other.keys() and all(
        len(one[name]) == len(other[name])
        and all(torch.equal(a, b) for a, b in zip(one[name], other[name], strict=True))
        for name in one
    )


def test_test_batches_hold_every_clip_in_order_at_interval_centres(store: ClipStore) -> None:
    seen = views(store, high=True)
    batches = list(seen.batches(3))
    assert [len(batch.ids) for batch in batches] == [3, 3, 1] and seen.steps(3) == 3 and len(seen) == COUNT
    assert [name for batch in batches for name in batch.ids] == [clip.id for clip in clips()]
    first = batches[0]
    assert isinstance(first.low, torch.Tensor) and isinstance(first.high, torch.Tensor)
    assert first.low.shape == (3, 4, 3, 1, 3, 4) and first.low.dtype == torch.uint8
    assert first.high.shape == (3, 4, 3, 1, *SIZE)
    assert first.mask.tolist() == [[1] * 4] * 3 and first.box is None
    assert first.target.tolist() == [0, 1, 2] and first.target.dtype == torch.int64
    for row, clip in enumerate(clips()[:3]):
        numbers = Sampling.parse("4x1").numbers(5 + row, None)[0][:, 0].tolist()
        assert np.array_equal(first.low[row, :, :, 0], store.reader(AFTER.low).frames(clip, numbers))
        assert np.array_equal(first.high[row, :, :, 0], store.reader(AFTER.high).frames(clip, numbers))


def test_frames_stand_behind_channels(store: ClipStore) -> None:
    batch = views(store, sampling=Sampling.parse("2x2")).read(clips()[:1])
    numbers = Sampling.parse("2x2").numbers(5, None)[0]
    frames = store.reader(AFTER.low).frames(clips()[0], numbers.ravel().tolist())
    assert batch.low.shape == (1, 2, 3, 2, 3, 4)
    for k in range(2):
        for t in range(2):
            assert np.array_equal(batch.low[0, k, :, t], frames[2 * k + t])


def test_training_is_the_same_for_any_batch_size_and_order(store: ClipStore) -> None:
    seen = views(store, train=True, high=True, seed=3)
    one = by_clip(seen.batches(1, epoch=2))
    assert len(one) == COUNT
    assert same(one, by_clip(seen.batches(COUNT, epoch=2, shuffle=False)))
    assert same(one, by_clip(views(store, train=True, high=True, seed=3).batches(COUNT, epoch=2)))
    assert not same(one, by_clip(seen.batches(1, epoch=3)))
    assert not same(one, by_clip(views(store, train=True, high=True, seed=4).batches(1, epoch=2)))


def test_low_alone_high_alone_and_both_show_the_same(store: ClipStore) -> None:
    both = views(store, train=True, high=True).read(clips(), epoch=1)
    low = views(store, train=True).read(clips(), epoch=1)
    high = views(store, train=True, low=False, high=True).read(clips(), epoch=1)
    assert low.high is None and high.low is None
    assert torch.equal(both.low, low.low) and torch.equal(both.high, high.high)
    assert torch.equal(both.box, low.box) and torch.equal(both.box, high.box) and both.box.shape == (COUNT, 5)


def test_training_shuffles_by_epoch_and_leaves_out_a_partial_batch(store: ClipStore) -> None:
    seen = views(store, train=True, seed=1)
    orders = [[name for batch in seen.batches(1, epoch=epoch) for name in batch.ids] for epoch in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == sorted(clip.id for clip in clips())
    assert [len(batch.ids) for batch in seen.batches(3)] == [3, 3] and seen.steps(3) == 2
    assert [len(batch.ids) for batch in seen.batches(16)] == [7] and seen.steps(16) == 1


def test_multi_label_targets(store: ClipStore) -> None:
    several = [dataclasses.replace(clip, target=(0, 2) if n else ()) for n, clip in enumerate(clips()[:2])]
    batch = views(store, multi_label=True).read(several)
    assert batch.target.tolist() == [[0, 0, 0], [1, 0, 1]] and batch.target.dtype == torch.float32


def test_clips_without_labels_have_no_target(store: ClipStore) -> None:
    unknown = [dataclasses.replace(clip, target=None) for clip in clips()[:2]]
    assert views(store).read(unknown).target.tolist() == [-1, -1]
    assert views(store, multi_label=True).read(unknown).target.tolist() == [[0, 0, 0]] * 2


def test_windows_are_masked_where_a_clip_has_fewer(store: ClipStore) -> None:
    batch = views(store, sampling=Sampling.parse("windows-4")).read([clips()[0], clips()[6]])  # 5 and 11 frames
    assert batch.mask.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch.low.shape == (2, 3, 3, 4, 3, 4)
    assert (batch.low[0, 2] == 0).all() and (batch.low[1, 2] != 0).any()


def test_padded_clips_are_counted(store: ClipStore) -> None:
    assert views(store).padded == 0
    assert views(store, sampling=Sampling.parse("windows-8")).padded == 3  # 5, 6 and 7 frames
    assert views(store, sampling=Sampling.parse("8x1"), low=False, high=True).padded == 3


def test_on_the_device_views_are_floats_up_to_one(store: ClipStore) -> None:
    seen = views(store, high=True)
    host = seen.read(clips())
    batch = seen.to_device(host, "cpu")
    assert torch.equal(batch.low * 255, host.low.float()) and batch.low.dtype == torch.float32
    assert torch.equal((batch.high * 255).round().byte(), host.high)
    assert batch.ids == host.ids and batch.progress == 0


def test_crop_before_cuts_the_stored_view_and_degrades_on_the_device(store: ClipStore) -> None:
    assert BEFORE.high is not None and BEFORE.high.size == (27, 37)
    seen = views(store, BEFORE, high=True)
    batch = seen.to_device(seen.read(clips()), "cpu")
    stored = store.reader(BEFORE.high).frames(clips()[1], Sampling.parse("4x1").numbers(6, None)[0][:, 0].tolist())
    centre = torch.from_numpy(stored[..., 2:26, 3:35]).float() / 255  # margins of 3 and 5 pixels
    assert torch.equal(batch.high[1, :, :, 0], centre) and batch.box is None
    low = F.interpolate(centre, size=(6, 8), mode="bicubic", antialias=True).clamp(0, 1)
    assert torch.allclose(batch.low[1, :, :, 0], low, atol=1e-6)
    alone = views(store, BEFORE)
    only = alone.to_device(alone.read(clips()), "cpu")
    assert only.high is None and torch.equal(only.low, batch.low)


def test_crop_before_draws_once_for_low_and_high_and_every_interval(store: ClipStore) -> None:
    seen = views(store, BEFORE, high=True, train=True, sampling=Sampling.parse("5x1"))
    clip = clips()[0]  # 5 frames: one in each interval
    stored = torch.from_numpy(store.reader(BEFORE.high).frames(clip, range(5)))  # (K, 3, 27, 37)
    for epoch in range(8):
        batch = seen.to_device(seen.read([clip], epoch), "cpu")
        high = (batch.high[0, :, :, 0] * 255).round().byte()  # (K, 3, 24, 32)
        places = [
            (top, left, flip)
            for top, left, flip in itertools.product(range(4), range(6), (False, True))
            if torch.equal(high, _flipped(stored[..., top : top + 24, left : left + 32], flip))
        ]
        assert len(places) == 1  # one place and one flip fit all five intervals
        low = F.interpolate(batch.high[0, :, :, 0], size=(6, 8), mode="bicubic", antialias=True).clamp(0, 1)
        assert torch.allclose(batch.low[0, :, :, 0], low, atol=1e-6)


def test_crop_after_hands_out_one_box_a_clip_for_low_and_high(store: ClipStore) -> None:
    """Low and high are the whole views, uncut and unflipped; one row of `box`, drawn once an epoch, cuts both."""
    seen = views(store, train=True, high=True, sampling=Sampling.parse("5x1"))
    clip = clips()[0]
    boxes = set()
    for epoch in range(12):
        batch = seen.read([clip], epoch)
        assert np.array_equal(batch.low[0, :, :, 0], store.reader(AFTER.low).frames(clip, range(5)))
        assert np.array_equal(batch.high[0, :, :, 0], store.reader(AFTER.high).frames(clip, range(5)))
        assert batch.box.shape == (1, 5)
        boxes.add(tuple(batch.box[0].tolist()))
    assert len(boxes) > 6


def _flipped(view: torch.Tensor, flip: bool) -> torch.Tensor:
    return view.flip(-1) if flip else view


def test_crop_before_moves_and_flips_in_training(store: ClipStore) -> None:
    seen = views(store, BEFORE, high=True, train=True, sampling=Sampling.parse("windows-5"))
    clip = clips()[0]  # 5 frames: the window is the whole clip
    stored = torch.from_numpy(store.reader(BEFORE.high).frames(clip, range(5))).transpose(0, 1)  # (3, T, 27, 37)
    found = set()
    for epoch in range(60):
        high = seen.read([clip], epoch).high[0, 0]
        places = []
        for top, left in itertools.product(range(4), range(6)):
            cropped = stored[..., top : top + 24, left : left + 32]
            places += [(top, left, flip) for flip in (False, True) if torch.equal(high, _flipped(cropped, flip))]
        assert len(places) == 1
        found.update(places)
    assert {top for top, _, _ in found} == set(range(4)) and {left for _, left, _ in found} == set(range(6))
    assert {flip for _, _, flip in found} == {False, True}


def test_natively_low_clips_keep_their_sizes_in_testing(store: ClipStore) -> None:
    seen = views(store, AS_RECORDED, high=True)
    batch = seen.to_device(seen.read(clips()), "cpu")
    assert [tuple(view.shape) for view in batch.low] == [(4, 3, 1, 24 + 2 * n, 32 + 3 * n) for n in range(COUNT)]
    assert all(torch.equal(low, high) for low, high in zip(batch.low, batch.high, strict=True))


def test_natively_low_clips_are_degraded_again_for_a_teacher_only(store: ClipStore) -> None:
    pair = views(store, AS_RECORDED, high=True, train=True)
    factors = []
    for epoch in range(12):
        batch = pair.read(clips(), epoch)
        for low, high in zip(batch.low, batch.high, strict=True):
            assert min(low.shape[-2:]) >= 8 and low.shape[:3] == high.shape[:3]
            factors.append(high.shape[-2] / low.shape[-2])
    assert 1 <= min(factors) < 1.3 and 2.5 < max(factors) <= 4.5
    alone = views(store, AS_RECORDED, train=True).read(clips(), 0)
    assert torch.equal(alone.low[3], pair.read(clips(), 0).high[3])


def test_degrading_again_averages_and_stops_at_eight_pixels() -> None:
    bundle = np.random.default_rng(0).integers(0, 256, (2, 3, 2, 16, 24), np.uint8)
    half = degrade_again(bundle, 2.0)
    exact = bundle.reshape(2, 3, 2, 8, 2, 12, 2).mean((4, 6))
    assert half.shape == (2, 3, 2, 8, 12) and np.abs(half - exact).max() <= 0.5 + 1e-4
    assert np.array_equal(degrade_again(bundle, 4.0), half)
    tiny = bundle[..., :7, :7]
    assert degrade_again(tiny, 4.0) is tiny


def test_errors_while_reading_reach_the_loop(store: ClipStore) -> None:
    unknown = Views([*clips(), drawn(99)], store, AFTER, sampling=Sampling.parse("4x1"), classes=3)
    seen = []
    with pytest.raises(ElrError, match="'clip-99' was removed from the clip store"):
        for batch in unknown.batches(7):
            seen.append(len(batch.ids))
    assert seen == [7]


def test_leaving_early_ends_the_threads() -> None:
    def tasks() -> Iterator[Callable[[], int]]:
        return (functools.partial(int, number) for number in itertools.count())

    items = prefetch(tasks(), workers=2)
    assert [next(items), next(items), next(items)] == [0, 1, 2]
    assert any(thread.name.startswith("elrbench-prefetch") for thread in threading.enumerate())
    items.close()
    assert not any(thread.name.startswith("elrbench-prefetch") for thread in threading.enumerate())
    assert list(prefetch(itertools.islice(tasks(), 9), workers=3)) == list(range(9))


def test_several_readers_keep_the_order_and_stay_few_ahead() -> None:
    started: list[int] = []

    def work(number: int) -> int:
        started.append(number)
        time.sleep(0.02 if number % 3 == 0 else 0)
        return number

    seen = []
    for item in prefetch((functools.partial(work, number) for number in range(20)), depth=2, workers=3):
        seen.append(item)
        assert len(started) <= len(seen) + 5
    assert seen == list(range(20)) and sorted(started) == seen
    failing = prefetch(iter([functools.partial(int, 1), functools.partial(int, "no"), functools.partial(int, 2)]))
    assert next(failing) == 1
    with pytest.raises(ValueError, match="'no'"):
        next(failing)
