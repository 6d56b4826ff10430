"""CSTAT against its equations: numbers worked by hand, shapes, masks, gradients, a confidence map that stays alive."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import Request, resolve_plan
from elrbench_plugins.cstat import rolling
from elrbench_plugins.cstat.attention import TemporalAttention, mean_over_real, spatial_attention, vec
from elrbench_plugins.cstat.confidence import at_stage, involved, spread, video_score
from elrbench_plugins.cstat.fit import confidence_of
from elrbench_plugins.cstat.losses import cosine_distance, spatial_distances, temporal_distances, total
from elrbench_plugins.cstat.mlp_map import Mlp
from elrbench_plugins.cstat.phase import compare, inner_weights

ONES = torch.ones(1, 2)


def tam(classes: int = 3, features: int = 5, intervals: int = 4, **options: object) -> TemporalAttention:
    torch.manual_seed(0)
    return TemporalAttention(nn.Linear(features, classes), features, intervals, **options)


# -- eq. 1


def test_eq1_sums_magnitudes_over_channels() -> None:
    stage = torch.tensor([[[[1.0, -2.0]], [[-3.0, 4.0]]]])  # (1, 2, 1, 2)
    assert spatial_attention(stage).tolist() == [[[4.0, 6.0]]]


def test_eq1_is_taken_in_float32_of_half_precision_maps() -> None:
    stage = torch.full((1, 1024, 1, 1), 1.0, dtype=torch.bfloat16)
    stage[0, 0] = 1.5  # bfloat16 has no 1024.5
    assert spatial_attention(stage).item() == 1024.5


def test_vec_keeps_or_averages_a_3d_backbones_time() -> None:
    attention = torch.arange(8.0).reshape(1, 2, 2, 2)  # (N, T, h, w)
    assert vec(attention).tolist() == [[0, 1, 2, 3, 4, 5, 6, 7]]
    assert vec(attention, "mean").tolist() == [[2, 3, 4, 5]]
    assert vec(attention[:, 0], "mean").tolist() == [[0, 1, 2, 3]]  # a 2D backbone has no time axis


# -- the temporal attention module


def test_tam_shapes_and_weights() -> None:
    logits, taps = tam(start="default")(torch.randn(2, 4, 5), torch.ones(2, 4))
    assert logits.shape == (2, 3)
    assert {name: tuple(tap.shape) for name, tap in taps.items()} == {"fc1": (2, 64), "fc2": (2, 4), "weights": (2, 4)}
    assert torch.allclose(taps["weights"], taps["fc2"].softmax(1))
    assert torch.allclose(taps["weights"].sum(1), torch.ones(2))


def test_tam_classifies_the_weighted_sum_which_is_the_weighted_sum_of_classifications() -> None:
    head = tam(start="default").double()
    head.shared[0].double()
    features = torch.randn(2, 4, 5, dtype=torch.float64)
    logits, taps = head(features, torch.ones(2, 4, dtype=torch.float64))
    each = head.shared[0](features)  # (B, K, C)
    weights = taps["weights"].double()
    assert taps["weights"].std() > 0
    # the weights are a float32 softmax, so they sum to 1 within 1e-7
    assert torch.allclose(logits, (each * weights.unsqueeze(-1)).sum(1), atol=1e-6)


def test_tam_starts_as_the_mean_over_intervals() -> None:
    head = tam()
    features = torch.randn(2, 4, 5)
    logits, taps = head(features, torch.ones(2, 4))
    assert torch.equal(taps["weights"], torch.full((2, 4), 0.25))
    assert torch.allclose(logits, head.shared[0](features).mean(1), atol=1e-6)


def test_tam_starts_where_eq3_has_a_bounded_gradient() -> None:
    student, teacher = tam(), tam(start="default")
    features, mask = torch.randn(2, 4, 5), torch.ones(2, 4)
    _, seen = student(features, mask)
    _, shown = teacher(features, mask)
    temporal_distances(seen, shown, mask).sum().backward()
    largest = max(parameter.grad.abs().max().item() for parameter in student.parameters())
    assert 0 < largest < 10


def test_tam_has_no_part_for_padded_intervals() -> None:
    head = tam(start="default")
    features, mask = torch.randn(2, 4, 5), torch.tensor([[1.0, 1, 1, 0], [1, 0, 0, 0]])
    logits, taps = head(features, mask)
    assert torch.equal(taps["weights"] > 0, mask > 0)
    assert torch.allclose(logits[1], head.shared[0](features[1, 0]), atol=1e-6)
    changed = features.clone()
    changed[mask == 0] = 99.0
    assert torch.equal(head(changed, mask)[0], logits)


def test_tam_activation_is_an_option() -> None:
    relu, none = tam(start="default"), tam(start="default", activation="none")
    features, mask = torch.randn(2, 4, 5), torch.ones(2, 4)
    fc1 = relu(features, mask)[1]["fc1"]
    assert (fc1 < 0).any()  # tapped as the layer gives it
    assert torch.allclose(relu(features, mask)[1]["fc2"], relu.fc2(fc1.relu()))
    assert torch.allclose(none(features, mask)[1]["fc2"], none.fc2(fc1))


def test_tam_does_not_register_the_backbones_classifier() -> None:
    assert set(tam().state_dict()) == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}


def test_tam_at_8_intervals_adds_the_papers_parameters() -> None:
    """8 x 512 -> 64 -> 8: 0.263 M."""
    assert sum(p.numel() for p in tam(features=512, intervals=8).parameters()) == 8 * 512 * 64 + 64 + 64 * 8 + 8


def test_tam_refuses_another_number_of_intervals() -> None:
    with pytest.raises(ElrError, match="built for 4 intervals and got 3; ask for a sampling"):
        tam()(torch.randn(1, 3, 5), torch.ones(1, 3))


# -- eq. 2, 3, 4


def test_cosine_distance_by_hand() -> None:
    left = torch.tensor([[1.0, 0.0], [1.0, 0.0], [3.0, 4.0], [1.0, 0.0]])
    right = torch.tensor([[0.0, 2.0], [5.0, 0.0], [4.0, 3.0], [-1.0, 0.0]])
    assert cosine_distance(left, right).tolist() == pytest.approx([1.0, 0.0, 1 - 24 / 25, 2.0])


def test_a_vector_without_direction_transfers_nothing() -> None:
    student = torch.zeros(1, 3, requires_grad=True)
    distance = cosine_distance(student, torch.ones(1, 3))
    distance.sum().backward()
    assert distance.item() == 0.0
    assert student.grad is not None and student.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_stats_normalised_difference_is_twice_it() -> None:
    """||a/|a| - b/|b|||² = 2(1 - cos), which links STAT's eq. 2 to CSTAT's."""
    a, b = torch.rand(6, 9), torch.rand(6, 9)
    unit = nn.functional.normalize
    assert torch.allclose((unit(a) - unit(b)).square().sum(1), 2 * cosine_distance(a, b), atol=1e-6)


def test_eq2_by_hand() -> None:
    student = torch.tensor([[[[1.0, 0.0]]], [[[1.0, 1.0]]]])  # (B*K = 2, C = 1, 1, 2)
    teacher = torch.tensor([[[[0.0, 1.0]]], [[[1.0, 0.0]]]])
    apart = [1.0, 1 - 1 / math.sqrt(2)]
    assert spatial_distances([student], [teacher], ONES).tolist() == pytest.approx([sum(apart) / 2])
    real = torch.tensor([[1.0, 0.0]])
    assert spatial_distances([student], [teacher], real).tolist() == pytest.approx([apart[0]])


def test_eq2_is_zero_between_equal_maps_whatever_their_scale() -> None:
    maps = [torch.randn(2, 4, 3, 5), torch.randn(2, 8, 2, 2)]
    assert spatial_distances(maps, maps, ONES).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert spatial_distances([2 * m for m in maps], maps, ONES).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_eq2_with_confidence_is_of_a_times_c() -> None:
    torch.manual_seed(1)
    student, teacher = torch.randn(2, 4, 3, 5), torch.randn(2, 4, 3, 5)
    confidence = torch.rand(2, 3, 5)
    direct = [m * confidence.unsqueeze(1) for m in (student, teacher)]  # A * C, before F
    assert torch.allclose(
        spatial_distances([student], [teacher], ONES, confidence), spatial_distances([direct[0]], [direct[1]], ONES)
    )
    only = torch.zeros(2, 3, 5)
    only[:, 1, 2] = 1.0
    assert spatial_distances([student], [teacher], ONES, only).item() == pytest.approx(0.0, abs=1e-6)  # cos = 1


def test_eq2_takes_3d_maps_and_confidence() -> None:
    student, teacher = torch.randn(2, 4, 3, 2, 2), torch.randn(2, 4, 3, 2, 2)  # T_i = 3
    confidence = torch.rand(2, 6, 4, 4)
    kept = spatial_distances([student], [teacher], ONES, confidence)
    mean = spatial_distances([student], [teacher], ONES, confidence, "mean")
    assert kept.shape == mean.shape == (1,)
    assert not torch.allclose(kept, mean)


def test_eq3_by_hand() -> None:
    student = {"fc1": torch.tensor([[1.0, 0.0], [3.0, 4.0]]), "fc2": torch.tensor([[0.0, 1.0], [1.0, 1.0]])}
    teacher = {"fc1": torch.tensor([[0.0, 1.0], [4.0, 3.0]]), "fc2": torch.tensor([[0.0, 3.0], [1.0, 0.0]])}
    mask = torch.ones(2, 2)
    far = 1 - 1 / math.sqrt(2)
    assert temporal_distances(student, teacher, mask).tolist() == pytest.approx([(1 + 0.04) / 2, far / 2])
    score = torch.tensor([0.5, 1.0])
    assert temporal_distances(student, teacher, mask, score).tolist() == pytest.approx([(0.5 + 0.04) / 2, far / 2])
    padded = torch.tensor([[1.0, 1.0], [1.0, 0.0]])  # the second clip then agrees in the one interval that it has
    assert temporal_distances(student, teacher, padded)[1].item() == pytest.approx(0.0, abs=1e-6)


def test_eq3_after_softmax_reads_the_weights() -> None:
    fc1 = torch.ones(1, 2)
    student = {"fc1": fc1, "fc2": torch.tensor([[2.0, 0.0]]), "weights": torch.tensor([[0.5, 0.5]])}
    teacher = {"fc1": fc1, "fc2": torch.tensor([[0.0, 2.0]]), "weights": torch.tensor([[0.5, 0.5]])}
    mask = torch.ones(1, 2)
    assert temporal_distances(student, teacher, mask)[1].item() == pytest.approx(1.0)
    assert temporal_distances(student, teacher, mask, after_softmax=True)[1].item() == pytest.approx(0.0, abs=1e-6)


def test_eq4_by_hand() -> None:
    ce, sat, tat = torch.tensor(3.0), torch.tensor(0.6), torch.tensor(0.3)
    assert total(ce, sat, tat, (1 / 3, 1 / 3, 1 / 3)).item() == pytest.approx(1.3)
    assert total(ce, sat, tat, (4 / 7, 1 / 7, 2 / 7)).item() == pytest.approx((12 + 0.6 + 0.6) / 7)


def test_mean_over_real_intervals() -> None:
    values, mask = torch.tensor([[1.0, 3.0], [5.0, 7.0]]), torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    assert mean_over_real(values, mask).tolist() == [2.0, 7.0]


# -- eq. 5


PER_STAGE = [[0.4, 0.3, 0.2, 0.1], [0.25, 0.3333, 0.25, 0.1667], [0.1667, 0.25, 0.3333, 0.25], [0.1, 0.2, 0.3, 0.4]]
PRINTED = [[0.4, 0.25, 0.1667, 0.1], [0.3, 0.3333, 0.25, 0.2], [0.2, 0.25, 0.3333, 0.3], [0.1, 0.1667, 0.25, 0.4]]


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("cstat-per-stage", PER_STAGE),
        ("cstat-printed", PRINTED),
        ("stat", [[0.4, 0.3, 0.2, 0.1], [0.3, 0.4, 0.2, 0.1], [0.2, 0.3, 0.4, 0.1], [0.1, 0.2, 0.3, 0.4]]),
        ("none", [[0.25] * 4] * 4),
    ],
)
def test_weights_of_four_blocks(kind: str, table: list[list[float]]) -> None:
    for stage, row in enumerate(table):
        for epoch in range(stage * 5, stage * 5 + 5):
            assert rolling.weights(kind, 4, epoch=epoch, epochs=20) == pytest.approx(row, abs=5e-5)


def test_sums_of_eq5_by_its_divisor() -> None:
    assert [sum(row) for row in rolling.eq5(4, per_stage=True)] == pytest.approx([1, 1, 1, 1])
    printed = rolling.eq5(4, per_stage=False)
    assert [sum(row) for row in printed] == pytest.approx([0.9167, 1.0833, 1.0833, 0.9167], abs=5e-5)
    assert [sum(row[i] for row in printed) for i in range(4)] == pytest.approx([1, 1, 1, 1])


@pytest.mark.parametrize("kind", ["cstat-per-stage", "cstat-printed", "stat"])
def test_weights_of_the_two_layers(kind: str) -> None:
    rows = [rolling.weights(kind, 2, epoch=epoch, epochs=4) for epoch in range(4)]
    assert rows == [pytest.approx([2 / 3, 1 / 3])] * 2 + [pytest.approx([1 / 3, 2 / 3])] * 2


def test_training_is_cut_into_equal_stages() -> None:
    assert [rolling.training_stage(epoch, 8, 4) for epoch in range(8)] == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [rolling.training_stage(epoch, 2, 4) for epoch in range(2)] == [0, 2]
    assert rolling.training_stage(49, 50, 4) == 3


def test_fixed_weights_of_table_1() -> None:
    assert rolling.fixed(4, "doubling") == pytest.approx([1 / 15, 2 / 15, 4 / 15, 8 / 15])
    assert rolling.fixed(2, "doubling") == pytest.approx([1 / 3, 2 / 3])
    assert rolling.fixed(4, "last") == [0, 0, 0, 1]
    assert rolling.fixed(2, "equal") == [0.5, 0.5]


def test_stats_list_is_for_four_blocks() -> None:
    with pytest.raises(ElrError, match="the backbone has 5; set method.rolling=cstat-per-stage"):
        rolling.weights("stat", 5, epoch=0, epochs=10)


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
    assert torch.equal(involved(Mlp()(black, black), 0.5), torch.full((1, 8, 8), 0.5))


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
    kept = involved(confidence, 0.5)
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
    kept = involved(confidence, 0.5)
    (kept * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert kept.tolist() == [pytest.approx([0.0, 0.5, 0.9])]
    assert confidence.grad is not None and confidence.grad.tolist() == [[1.0, 2.0, 3.0]]


def test_at_stage_averages() -> None:
    confidence = torch.arange(16.0).reshape(1, 4, 4)
    assert at_stage(confidence, (2, 2)).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert at_stage(confidence.reshape(1, 4, 2, 2), (2, 1, 1)).flatten().tolist() == [3.5, 11.5]


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


def test_no_parameter_of_the_extractor_is_idle() -> None:
    high, low = views()
    measure = Mlp()
    (involved(measure(high, low), 0.5) * torch.rand(4, 24, 32)).sum().backward()
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
        loss = spatial_distances([student], [teacher], torch.ones(2, 2), involved(measure(high, low), 0.5)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    confidence = measure(high, low)
    assert losses[-1] <= losses[0]
    assert 0.05 < confidence.mean() < 0.95
    assert spread(involved(confidence, 0.5)) > 0.8


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
        logits, taps = self.head(two.mean((2, 3)).reshape(-1, 2, 6), mask)
        return SimpleNamespace(image=image, stages=[one, two], taps=taps, logits=logits)


OPTIONS = {
    "confidence": "mlp", "confidence_threshold": 0.5, "confidence_width": 16, "confidence_normalise": "median",
    "confidence_grey": "bt601", "over_time": "keep", "tat_after_softmax": False,
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


# -- the spec


@pytest.mark.parametrize(
    ("asked", "canonical", "numbers"),
    [
        ("cstat", "cstat:mlp+rc", (1 / 3, 1 / 3, 1 / 3, "mlp", "cstat-per-stage")),
        ("cstat:rc+mlp", "cstat:mlp+rc", (1 / 3, 1 / 3, 1 / 3, "mlp", "cstat-per-stage")),
        ("cstat:mlp", "cstat:mlp", (1 / 3, 1 / 3, 1 / 3, "mlp", "none")),
        ("cstat:ce", "cstat:ce", (1.0, 0.0, 0.0, "none", "none")),
        ("cstat:sat", "cstat:sat", (0.5, 0.5, 0.0, "none", "none")),
        ("cstat:tat", "cstat:tat", (0.5, 0.0, 0.5, "none", "none")),
        ("cstat:stat", "cstat:stat", (1 / 3, 1 / 3, 1 / 3, "none", "none")),
    ],
)
def test_variants_are_the_rows_of_table_4(catalog, asked: str, canonical: str, numbers: tuple[object, ...]) -> None:
    plan = resolve_plan(catalog, Request(method=asked, dataset="puppets", budget="small"))
    assert plan.method == canonical
    keys = ("w_ce", "w_sat", "w_tat", "confidence", "rolling")
    assert tuple(plan.options("method")[key] for key in keys) == numbers
