"""CSTAT against its equations: numbers worked by hand, shapes, masks, rolling weights."""

from __future__ import annotations

import functools
import math

import pytest
import torch
from torch import nn

from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from elrbench_plugins.attention_transfer import losses, rolling
from elrbench_plugins.attention_transfer.attention import TemporalAttention, mean_over_real, spatial_attention, vec
from elrbench_plugins.attention_transfer.losses import total
from elrbench_plugins.cstat.losses import cosine_distance

ONES = torch.ones(1, 2)
spatial_distances = functools.partial(losses.spatial_distances, distance=cosine_distance)
temporal_distances = functools.partial(losses.temporal_distances, distance=cosine_distance)


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
    logits, head_outputs = tam(start="default")(torch.randn(2, 4, 5), torch.ones(2, 4))
    assert logits.shape == (2, 3)
    assert {name: tuple(tap.shape) for name, tap in head_outputs.items()} == {
        "fc1": (2, 64),
        "fc2": (2, 4),
        "weights": (2, 4),
    }
    assert torch.allclose(head_outputs["weights"], head_outputs["fc2"].softmax(1))
    assert torch.allclose(head_outputs["weights"].sum(1), torch.ones(2))


def test_tam_classifies_the_weighted_sum_which_is_the_weighted_sum_of_classifications() -> None:
    head = tam(start="default").double()
    head.shared[0].double()
    features = torch.randn(2, 4, 5, dtype=torch.float64)
    logits, head_outputs = head(features, torch.ones(2, 4, dtype=torch.float64))
    each = head.shared[0](features)  # (B, K, C)
    weights = head_outputs["weights"].double()
    assert head_outputs["weights"].std() > 0
    # the weights are a float32 softmax, so they sum to 1 within 1e-7
    assert torch.allclose(logits, (each * weights.unsqueeze(-1)).sum(1), atol=1e-6)


def test_tam_starts_as_the_mean_over_intervals() -> None:
    head = tam()
    features = torch.randn(2, 4, 5)
    logits, head_outputs = head(features, torch.ones(2, 4))
    assert torch.equal(head_outputs["weights"], torch.full((2, 4), 0.25))
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
    logits, head_outputs = head(features, mask)
    assert torch.equal(head_outputs["weights"] > 0, mask > 0)
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
    with pytest.raises(ElrError, match="built for 4 intervals and got 3; .*--sampling 4x1"):
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
    assert [sum(row) for row in rolling.rolling_weights(4, per_stage=True)] == pytest.approx([1, 1, 1, 1])
    printed = rolling.rolling_weights(4, per_stage=False)
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
    with pytest.raises(ElrError, match="not for 5; set method.rolling=cstat-per-stage"):
        rolling.weights("stat", 5, epoch=0, epochs=10)


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
    plan = resolve_plan(catalog, PlanRequest(method=asked, dataset="puppets", budget="small"))
    assert plan.method == canonical
    keys = ("w_ce", "w_sat", "w_tat", "confidence", "rolling")
    assert tuple(plan.options("method")[key] for key in keys) == numbers
