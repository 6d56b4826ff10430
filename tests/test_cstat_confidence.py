"""CSTAT's confidence maps, by hand and trained; and a joint step without the harness: where its gradients go."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from elrbench_plugins.attention_transfer import losses, phase
from elrbench_plugins.attention_transfer.attention import TemporalAttention
from elrbench_plugins.attention_transfer.confidence import (
    pool_to_stage,
    spread,
    straight_through_threshold,
    video_score,
)
from elrbench_plugins.attention_transfer.phase import inner_weights
from elrbench_plugins.cstat.fit import confidence_of
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.cstat.mlp_map import Mlp

ONES = torch.ones(1, 2)
spatial_distances = functools.partial(losses.spatial_distances, distance=cosine_distance)
compare = functools.partial(phase.compare, distance=cosine_distance)


# -- confidence


def views(n: int = 4, size: tuple[int, int] = (24, 32)) -> tuple[Tensor, Tensor]:
    """Random high images and the same with their detail averaged away on the right half."""
    torch.manual_seed(3)
    high = torch.rand(n, 3, *size)
    low = high.clone()
    blurred = nn.functional.avg_pool2d(high, 4).repeat_interleave(4, 2).repeat_interleave(4, 3)
    low[..., size[1] // 2 :] = blurred[..., size[1] // 2 :]
    return high, low


def test_confidence_is_high_where_nothing_was_lost() -> None:
    high, low = views()
    confidence = Mlp()(high, low)
    assert confidence.shape == (4, 24, 32)
    assert confidence[..., :14].min() >= 0.5 > confidence[..., 18:].mean()


def test_equal_images_are_involved_everywhere() -> None:
    high, _ = views()
    assert torch.equal(Mlp()(high, high), torch.full((4, 24, 32), 0.5))
    black = torch.zeros(1, 3, 8, 8)
    assert torch.equal(straight_through_threshold(Mlp()(black, black), 0.5), torch.full((1, 8, 8), 0.5))


def test_loss_map_by_hand() -> None:
    measure = Mlp(normalise="median")
    # median 1, deviations -1 0 0 3, mean magnitude 1
    loss = measure.loss_map(torch.tensor([[[0.0, 1.0], [1.0, 4.0]]]))
    sigmoid = [1 / (1 + math.exp(-z)) for z in (-1.0, 0.0, 0.0, 3.0)]
    assert loss.flatten().tolist() == pytest.approx(sigmoid, abs=1e-4)
    ranged = Mlp(normalise="min-max").loss_map(torch.tensor([[[0.0, 1.0], [1.0, 4.0]]]))
    assert ranged.flatten().tolist() == pytest.approx([0, 0.25, 0.25, 1], abs=1e-4)


def test_confidence_of_3d_views_sees_each_frame() -> None:
    high, low = views(6)
    measure = Mlp()
    frames = [x.reshape(2, 3, 3, 24, 32).transpose(1, 2) for x in (high, low)]  # (N, 3, T, H, W)
    difference = measure.difference(*frames)  # (N, T, H, W)
    assert difference.shape == (2, 3, 24, 32)
    assert torch.allclose(difference.flatten(0, 1), measure.difference(high, low), atol=1e-6)
    assert measure(*frames).shape == (2, 3, 24, 32)


@pytest.mark.parametrize("shape", ["pixel", "flat", "wedge", "noise"])
def test_median_bounds_hold_for_any_difference(shape: str) -> None:
    """At least half of the pixels involved, mean of C in [1/4, 3/4], no involved pixel twice another."""
    torch.manual_seed(5)
    difference = {
        "pixel": torch.full((1, 8, 9), 7.0),
        "flat": torch.full((1, 8, 9), 7.0),
        "wedge": torch.linspace(0, 1, 72).reshape(1, 8, 9) ** 6,
        "noise": torch.rand(1, 8, 9),
    }[shape]
    if shape == "pixel":
        difference[0, 3, 3] = 0.0  # the collapse that eq. 2 rewards: a single trusted pixel
    confidence = 1 - Mlp().loss_map(difference)
    kept = straight_through_threshold(confidence, 0.5)
    assert (kept > 0).float().mean() >= 0.5
    assert 0.25 <= confidence.mean() <= 0.75
    assert kept.max() <= 2 * kept[kept > 0].min() + 1e-6


def test_min_max_can_collapse_to_a_pixel() -> None:
    difference = torch.full((1, 8, 9), 7.0)
    difference[0, 3, 3] = 0.0
    confidence = 1 - Mlp(normalise="min-max").loss_map(difference)
    assert confidence.mean() < 0.05


def test_threshold_passes_the_gradient_straight_through() -> None:
    confidence = torch.tensor([[0.2, 0.5, 0.9]], requires_grad=True)
    kept = straight_through_threshold(confidence, 0.5)
    (kept * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert kept.tolist() == [pytest.approx([0.0, 0.5, 0.9])]
    assert confidence.grad is not None and confidence.grad.tolist() == [[1.0, 2.0, 3.0]]


def test_pool_to_stage_averages() -> None:
    confidence = torch.arange(16.0).reshape(1, 4, 4)
    assert pool_to_stage(confidence, (2, 2)).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert pool_to_stage(confidence.reshape(1, 4, 2, 2), (2, 1, 1)).flatten().tolist() == [3.5, 11.5]


def test_video_score_by_hand() -> None:
    confidence = torch.tensor([[[0.6, 0.8, 0.1]], [[0.1, 0.2, 0.3]], [[1.0, 1.0, 0.0]], [[0.9, 0.9, 0.9]]])  # (4, 1, 3)
    mask = torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert video_score(confidence, mask, 0.5).tolist() == pytest.approx([(0.7 + 0.0) / 2, 1.0])


def test_spread_by_hand() -> None:
    point = torch.zeros(1, 2, 2)
    point[0, 0, 0] = 0.8
    assert spread(point).item() == 0.0
    assert spread(torch.full((1, 2, 2), 0.3)).item() == pytest.approx(1.0)
    half = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    assert spread(half).item() == pytest.approx(0.5)
    assert spread(torch.cat([point, half, half, torch.ones(1, 2, 2)])).item() == pytest.approx(0.5)  # mean over maps


def test_no_parameter_of_the_extractor_is_idle() -> None:
    high, low = views()
    measure = Mlp()
    (straight_through_threshold(measure(high, low), 0.5) * torch.rand(4, 24, 32)).sum().backward()
    assert {name for name, p in measure.named_parameters() if p.grad.abs().max() > 0} == {
        "extractor.0.weight", "extractor.0.bias", "extractor.2.weight"}  # fmt: skip


@pytest.mark.parametrize("normalise", ["median", "min-max"])
def test_trained_map_does_not_collapse_where_networks_disagree(normalise: str) -> None:
    """The extractor alone, 60 steps on the loss that it could win by trusting nothing."""
    high, low = views()
    measure = Mlp(normalise=normalise)
    student, teacher = torch.rand(4, 8, 6, 8), torch.rand(4, 8, 6, 8)
    teacher[..., 4:] *= 5 * torch.rand(4, 1, 6, 4)  # most disagreement where detail was lost
    optimiser = torch.optim.Adam(measure.parameters(), lr=1e-2)
    losses = []
    for _ in range(60):
        loss = spatial_distances(
            [student], [teacher], torch.ones(2, 2), straight_through_threshold(measure(high, low), 0.5)
        ).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    confidence = measure(high, low)
    assert losses[-1] <= losses[0]
    assert 0.05 < confidence.mean() < 0.95
    assert spread(straight_through_threshold(confidence, 0.5)) > 0.8


# -- one joint step, without the harness


class Toy(nn.Module):
    """Two stage maps and a temporal attention module; the surface of a recognizer's trace."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.one, self.two = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1)
        self.classifier = nn.Linear(6, 3)
        self.head = TemporalAttention(self.classifier, 6, 2, start="default")

    def trace(self, image: Tensor, mask: Tensor) -> SimpleNamespace:
        one = self.one(image).relu()
        two = self.two(one).relu()
        logits, head_outputs = self.head(two.mean((2, 3)).reshape(-1, 2, 6), mask)
        return SimpleNamespace(image=image, stages=[one, two], head_outputs=head_outputs, logits=logits)


OPTIONS = {
    "confidence": "mlp", "confidence_threshold": 0.5, "confidence_width": 16, "confidence_normalise": "median",
    "confidence_grey": "bt601", "confidence_outputs": 1, "confidence_loss": "transfer", "confidence_binary": False,
    "confidence_score": "mean", "difference_same": 24.0, "over_time": "keep", "tat_after_softmax": False,
    "rolling": "cstat-per-stage", "rolling_turns": "once", "inner": "equal",
}  # fmt: skip


def test_gradients_reach_the_student_and_the_extractor_but_not_the_teacher() -> None:
    high, low = views()
    mask = torch.ones(2, 2)
    student, teacher = Toy(0), Toy(1).requires_grad_(False)
    extractor = confidence_of(OPTIONS)
    assert extractor is not None
    gaps = compare(student.trace(low, mask), teacher.trace(high, mask), mask, extractor, OPTIONS)
    assert gaps.spatial.shape == gaps.temporal.shape == (2,)
    assert set(gaps.statistics) == {"confidence", "confidence_area", "confidence_spread", "confidence_video"}
    assert all(figure.shape == () for figure in gaps.statistics.values())

    gaps.spatial.sum().backward(retain_graph=True)  # SAT: the stages and the extractor
    assert student.one.weight.grad.abs().max() > 0
    assert student.two.weight.grad.abs().max() > 0
    assert student.head.fc1.weight.grad is None
    assert extractor.extractor[0].weight.grad.abs().max() > 0
    assert all(p.grad is None for p in teacher.parameters())

    student.zero_grad()
    extractor.zero_grad()
    gaps.temporal.sum().backward()  # TAT: the module and what is below it; the score is not trained by what it weighs
    assert student.head.fc1.weight.grad.abs().max() > 0
    assert student.head.fc2.weight.grad.abs().max() > 0
    assert student.one.weight.grad.abs().max() > 0
    assert student.classifier.weight.grad is None
    assert extractor.extractor[0].weight.grad is None
    assert all(p.grad is None for p in teacher.parameters())


def test_without_confidence_every_area_counts_alike() -> None:
    high, low = views()
    mask = torch.ones(2, 2)
    plain = {**OPTIONS, "confidence": "none"}
    assert confidence_of(plain) is None
    seen, shown = Toy(0).trace(low, mask), Toy(1).trace(high, mask)
    gaps = compare(seen, shown, mask, None, plain)
    assert gaps.statistics == {}
    assert torch.allclose(gaps.spatial, spatial_distances(seen.stages, shown.stages, mask))


def test_transfer_brings_the_students_attention_to_the_teachers() -> None:
    high, low = views()
    mask = torch.ones(2, 2)
    student, teacher = Toy(0), Toy(1).requires_grad_(False)
    extractor = confidence_of(OPTIONS)
    assert extractor is not None
    optimiser = torch.optim.Adam([*student.parameters(), *extractor.parameters()], lr=1e-2)
    found = []
    for _ in range(40):
        gaps = compare(student.trace(low, mask), teacher.trace(high, mask), mask, extractor, OPTIONS)
        optimiser.zero_grad()
        (gaps.spatial.mean() + gaps.temporal.mean()).backward()
        optimiser.step()
        plain = compare(student.trace(low, mask), teacher.trace(high, mask), mask, None, OPTIONS)  # unweighted by C
        found.append((plain.spatial.mean().item(), plain.temporal.mean().item()))
    assert found[-1][0] < 0.7 * found[0][0]
    assert found[-1][1] < 0.3 * found[0][1]


def test_inner_weights_follow_the_options() -> None:
    assert inner_weights(OPTIONS, 4, 0, 4) == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert inner_weights({**OPTIONS, "rolling": "none", "inner": "doubling"}, 2, 0, 4) == pytest.approx([1 / 3, 2 / 3])
