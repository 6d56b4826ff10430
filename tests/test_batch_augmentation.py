"""Mixing, moved crops and colours of a batch by hand; low and high views alike; views that are lists or enhanced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark_core.clips.augment import moved
from benchmark_core.clips.enhanced import Enhanced
from benchmark_core.clips.mixing import draw_weights, mixed_target, mixed_view, with_real_partners
from benchmark_core.clips.pixels import turned
from benchmark_core.clips.views import Batch
from benchmark_core.errors import ElrError
from benchmark_core.networks.losses import task_loss
from benchmark_core.training.batch_augmentation import BatchAugmentation

ALL = BatchAugmentation(
    random_crop="none",
    random_shift=0.1,
    random_zoom=0.2,
    random_turn="half",
    colour_jitter=0.3,
    erase_probability=0.5,
    mixup_alpha=0.4,
    cutmix_time=0.5,
)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def batch_of(low: object, high: object = None, target: Tensor | None = None, intervals: int = 2) -> Batch:
    clips = len(low) if low is not None else len(high)  # type: ignore[arg-type]
    return Batch(
        low=low,  # type: ignore[arg-type]
        high=high,  # type: ignore[arg-type]
        mask=torch.ones(clips, intervals),
        box=torch.tensor([0.25, 0.0, 0.5, 0.75, 1.0]).expand(clips, 5),
        target=torch.arange(clips) % 3 if target is None else target,
        ids=tuple(map(str, range(clips))),
    )


def views(clips: int = 4, frames: int = 2, size: tuple[int, int] = (8, 12), channels: int = 3) -> Tensor:
    return torch.rand(clips, 2, channels, frames, *size, generator=torch.Generator().manual_seed(1))


def halved(view: Tensor) -> Tensor:
    """Area average over 2x2 pixels."""
    return view.unflatten(-2, (-1, 2)).unflatten(-1, (-1, 2)).mean((-3, -1))


# -- mixing


def test_mixture_and_label_by_hand() -> None:
    """Two clips of two intervals with two frames, all pixels 1 and 0. mixup mixes the first, cutmix the second."""
    view = torch.stack([torch.ones(2, 3, 2, 1, 1), torch.zeros(2, 3, 2, 1, 1)])
    weights = torch.tensor([[[0.75, 0.75], [0.75, 0.75]], [[1.0, 0.0], [1.0, 1.0]]])
    mixed = mixed_view(view, weights, [1, 0])
    assert isinstance(mixed, Tensor)
    assert mixed[0].flatten().tolist() == [0.75] * 12
    assert mixed[1, :, 0, :, 0, 0].tolist() == [[0, 1], [0, 0]]
    shares = mixed_target(torch.tensor([2, 0]), weights, torch.ones(2, 2), [1, 0], 3)
    assert shares.tolist() == [[0.25, 0, 0.75], [0.75, 0, 0.25]]
    several = mixed_target(torch.tensor([[1.0, 1], [0, 1]]), weights, torch.ones(2, 2), [1, 0], 2)
    assert several.tolist() == [[0.75, 1], [0.25, 1]]


def test_an_interval_that_the_partner_lacks_is_not_mixed() -> None:
    """The second clip has one interval; its own share counts that interval alone."""
    mask = torch.tensor([[1.0, 1], [1, 0]])
    weights = with_real_partners(torch.full((2, 2, 1), 0.5), mask, [1, 0])
    assert weights[..., 0].tolist() == [[0.5, 1], [0.5, 0.5]]
    shares = mixed_target(torch.tensor([0, 1]), weights, mask, [1, 0], 2)
    assert shares.tolist() == [[0.75, 0.25], [0.5, 0.5]]


def test_cutmix_replaces_consecutive_frames_and_never_all() -> None:
    weights = draw_weights(rng(), 4000, 4, 2, mixup_alpha=0.0, cutmix_time=0.5).reshape(4000, 8)
    cut = weights[weights.min(1) == 0]
    assert 0.45 < len(cut) / 4000 < 0.55 and set(np.unique(weights)) == {0.0, 1.0}
    steps = np.abs(np.diff(np.pad(1 - cut, ((0, 0), (1, 1))), axis=1)).sum(1)
    assert (steps == 2).all()  # one run of replaced frames
    counts = np.bincount((1 - cut).sum(1).astype(int), minlength=9) / len(cut)
    assert counts[0] == counts[8] == 0 and np.allclose(counts[1:8], 1 / 7, atol=0.04)


def test_mixup_has_one_share_per_clip() -> None:
    weights = draw_weights(rng(), 4000, 2, 3, mixup_alpha=0.4, cutmix_time=0.0).reshape(4000, 6)
    assert (weights == weights[:, :1]).all()
    assert weights[:, 0].mean() == pytest.approx(0.5, abs=0.02)
    assert weights[:, 0].var() == pytest.approx(1 / (4 * (2 * 0.4 + 1)), abs=0.01)  # of Beta(a, a)


def test_wide_low_views_are_mixed_at_the_frames_of_the_high_views() -> None:
    """A video enhancer gets 6 frames; the sampling's two are in their middle, and each side follows the nearest."""
    view = torch.stack([torch.ones(1, 3, 6, 1, 1), torch.zeros(1, 3, 6, 1, 1)])
    mixed = mixed_view(view, torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]), [1, 0])
    assert isinstance(mixed, Tensor) and mixed[0, 0, 0, :, 0, 0].tolist() == [1, 1, 1, 0, 0, 0]


def test_clips_of_unequal_size_are_mixed_at_their_own_size() -> None:
    clips = [torch.ones(2, 3, 2, 4, 6), torch.zeros(2, 3, 2, 8, 12)]
    mixed = mixed_view(clips, torch.full((2, 2, 2), 0.75), [1, 0])
    assert [clip.shape for clip in mixed] == [clip.shape for clip in clips]
    assert [float(clip.mean()) for clip in mixed] == pytest.approx([0.75, 0.25])
    stacked = views()
    weights = torch.rand(4, 2, 2)
    assert torch.equal(torch.stack(list(mixed_view(list(stacked), weights, [1, 2, 3, 0]))),
                       mixed_view(stacked, weights, [1, 2, 3, 0]))  # fmt: skip


# -- the crop


def test_a_box_moves_and_grows_around_its_centre_by_hand() -> None:
    box = torch.tensor([[0.25, 0.25, 0.5, 0.5, 1.0]])
    seen = moved(box, torch.tensor([[0.1, -0.2]]), torch.tensor([1.2]))
    assert seen[0].tolist() == pytest.approx([0.3, 0.0, 0.6, 0.6, 1.0], abs=1e-6)


def test_crop_none_keeps_the_flip_and_the_view() -> None:
    seen = BatchAugmentation(random_crop="none")(batch_of(views()), rng(), frames=2, classes=3)
    assert seen.box is not None and seen.box[0].tolist() == [0, 0, 1, 1, 1]
    assert seen.low is not None and torch.equal(torch.as_tensor(seen.low), views())


def test_a_view_without_a_box_gets_one_if_it_is_moved() -> None:
    plain = replace(batch_of(views()), box=None)
    assert BatchAugmentation(random_crop="none", colour_jitter=0.1)(plain, rng(), frames=2, classes=3).box is None
    box = BatchAugmentation(random_shift=0.1, random_zoom=0.2)(plain, rng(), frames=2, classes=3).box
    assert box is not None and box.shape == (4, 5) and not box[:, 4].any()
    centres = box[:, :2] + box[:, 2:4] / 2
    assert (centres - 0.5).abs().max() <= 0.1 and ((box[:, 2] - 1).abs() <= 0.2 + 1e-6).all()
    assert torch.equal(box[:, 2], box[:, 3]) and box[:, 2].std() > 0


# -- the batch


def test_low_stays_the_average_of_high() -> None:
    """Colours and mixtures commute with averaging where nothing is clipped; an erased rectangle has the same edges."""
    high = 0.4 + 0.2 * views(size=(16, 24))
    how = replace(ALL, erase_probability=0.0)
    seen = how(batch_of(halved(high), high), rng(), frames=2, classes=3)
    assert isinstance(seen.low, Tensor) and isinstance(seen.high, Tensor)
    assert torch.allclose(seen.low, halved(seen.high), atol=1e-6)
    assert (seen.low - halved(high)).abs().max() > 0.05


def test_a_rectangle_becomes_the_clips_mean_in_all_frames() -> None:
    plain = batch_of(views(), views(size=(16, 24)))
    seen = BatchAugmentation(erase_probability=1.0)(plain, rng(), frames=2, classes=3)
    for before, after in ((plain.low, seen.low), (plain.high, seen.high)):
        assert isinstance(before, Tensor) and isinstance(after, Tensor)
        changed = before != after
        assert torch.equal(changed[:, :1, :1, :1].expand_as(changed), changed)  # one area for frames and channels
        assert 0.005 < changed[:, 0, 0, 0].float().mean() < 0.25
        means = before.mean((1, 3, 4, 5))
        for clip in range(4):
            for channel in range(3):
                hit = after[clip, :, channel][changed[clip, :, channel]]
                assert torch.allclose(hit, means[clip, channel].expand_as(hit))


def test_enhanced_views_stay_enhanced_and_lists_stay_lists() -> None:
    seen = ALL(batch_of(views().as_subclass(Enhanced), list(views(size=(16, 24)))), rng(), frames=2, classes=3)
    assert isinstance(seen.low, Enhanced) and isinstance(seen.high, list)
    same = ALL(batch_of(views(), views(size=(16, 24))), rng(), frames=2, classes=3)
    assert isinstance(same.low, Tensor) and torch.equal(seen.low.as_subclass(Tensor), same.low)
    assert isinstance(same.high, Tensor) and torch.allclose(torch.stack(seen.high), same.high)


def test_flow_keeps_its_values() -> None:
    flow = views(channels=2)
    seen = BatchAugmentation(colour_jitter=0.5)(batch_of(flow), rng(), frames=2, classes=3)
    assert seen.low is not None and torch.equal(torch.as_tensor(seen.low), flow)


@pytest.mark.parametrize("target", [torch.full((4,), -1), torch.zeros(4, 3)])
def test_clips_without_labels_are_not_mixed(target: Tensor) -> None:
    how = BatchAugmentation(mixup_alpha=0.4, cutmix_time=0.5)
    seen = how(batch_of(views(), target=target), rng(), frames=2, classes=3)
    assert seen.low is not None and torch.equal(torch.as_tensor(seen.low), views())
    assert torch.equal(seen.target, target)


def test_soft_targets_suit_the_task_losses() -> None:
    """The loss of a mixture is the mixture of the losses (Zhang et al., 2018)."""
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor([[[0.75]], [[0.5]]])
    loss = task_loss("single-label", 0.1)
    for targets in (torch.tensor([2, 0]), torch.tensor([1, 1])):
        soft = loss(logits, mixed_target(targets, weights, torch.ones(2, 1), [1, 0], 3))
        parts = [(0.75, 0, 0), (0.25, 0, 1), (0.5, 1, 1), (0.5, 1, 0)]
        by_hand = sum(share * loss(logits[[row]], targets[[label]]) for share, row, label in parts) / 2
        assert soft.item() == pytest.approx(float(by_hand), abs=1e-6)
    several = task_loss("multi-label", 0.1)
    labels = torch.tensor([[1.0, 0, 1], [0, 0, 1]])
    mixed = several(logits, mixed_target(labels, weights, torch.ones(2, 1), [1, 0], 3))
    parts = [(0.75, 0, 0), (0.25, 0, 1), (0.5, 1, 1), (0.5, 1, 0)]
    by_hand = sum(share * several(logits[[row]], labels[[label]]) for share, row, label in parts) / 2
    assert mixed.item() == pytest.approx(float(by_hand), abs=1e-6)


def test_nothing_is_drawn_unless_asked() -> None:
    one, other = rng(), rng()
    plain = batch_of(views())
    seen = BatchAugmentation()(plain, one, frames=2, classes=3)
    assert (seen.low is plain.low, seen.target is plain.target, seen.box is plain.box) == (True, True, True)
    assert one.random() == other.random()


def test_options_that_a_loop_has_itself_are_left_out() -> None:
    options = {"mixup_alpha": 0.3, "colour_jitter": 0.2, "lr": 1.0}
    assert BatchAugmentation.of(options, without=("colour_jitter",)) == BatchAugmentation(mixup_alpha=0.3)


@pytest.mark.parametrize(
    ("how", "batch", "positions", "said"),
    [
        (BatchAugmentation(mixup_alpha=0.3), 1, 4, "method.batch"),
        (BatchAugmentation(cutmix_time=0.3), 8, 1, "sampling"),
    ],
)
def test_what_cannot_be_mixed_is_refused(how: BatchAugmentation, batch: int, positions: int, said: str) -> None:
    with pytest.raises(ElrError, match=said):
        how.check(batch=batch, positions=positions)
    how.check(batch=8, positions=4)


# -- turns


def test_a_quarter_turn_is_counterclockwise_and_turns_flow_as_vectors() -> None:
    picture = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).expand(1, 1, 3, 1, 2, 2)
    assert turned(picture, np.array([1]))[0, 0, 0, 0].tolist() == [[2.0, 4.0], [1.0, 3.0]]
    right = torch.stack([torch.ones(1, 2, 2), torch.zeros(1, 2, 2)])[None, None]  # (1, 1, 2, 1, 2, 2)
    for quarters, (across, down) in enumerate([(1, 0), (0, -1), (-1, 0), (0, 1)]):
        found = turned(right, np.array([quarters]))
        assert found[0, 0, :, 0, 0, 0].tolist() == [across, down]


@pytest.mark.parametrize(("turn", "seen"), [("half", {0, 2}), ("quarter", {0, 1, 2, 3})])
def test_low_and_high_views_of_a_clip_are_turned_alike(turn: str, seen: set[int]) -> None:
    high = views(clips=24, size=(8, 8))
    batch = BatchAugmentation(random_turn=turn)(batch_of(halved(high), high), rng(), frames=2, classes=3)
    assert isinstance(batch.low, Tensor) and isinstance(batch.high, Tensor)
    torch.testing.assert_close(halved(batch.high), batch.low)
    found = [
        next(k for k in range(4) if torch.equal(torch.rot90(before, k, (-2, -1)), after))
        for before, after in zip(high, batch.high, strict=True)
    ]
    assert set(found) == seen


def test_a_quarter_turn_needs_square_views() -> None:
    batch = batch_of(views(clips=24))
    with pytest.raises(ElrError, match="random_turn=half"):
        BatchAugmentation(random_turn="quarter")(batch, rng(), frames=2, classes=3)
    BatchAugmentation(random_turn="half")(batch, rng(), frames=2, classes=3)
