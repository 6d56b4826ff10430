"""Attention transfer between networks that differ in backbone, size and frames: maps computed by hand, and runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from test_unlike_teacher import go, planned, stages, toys  # noqa: F401 - a fixture
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.networks.heads import MeanLogits
from benchmark_core.plans.resolve import components_of
from benchmark_core.runs.loaded_run import load_run
from elrbench import ElrError
from elrbench_plugins.attention_transfer.attention import SegmentAttention
from elrbench_plugins.attention_transfer.gate import gated_logits
from elrbench_plugins.attention_transfer.losses import spatial_distances
from elrbench_plugins.attention_transfer.unlike import at_stage, image_like, real_units, same_size
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.distillation.unlike_maps import pair_by_depth

# One clip. The student's stage map has 1 channel, 4 positions in time and 2x2 pixels; the teacher sees 2 frames of 1x2.
STUDENT = torch.tensor([[[1.0, 3], [1, 1]], [[3, 1], [3, 1]], [[0, 4], [0, 4]], [[0, 0], [0, 8]]])[None, None]
TEACHER = torch.tensor([[[[3.0, 4.0]]], [[[1.0, 0.0]]]])  # (2, 1, 1, 2)


def test_maps_of_unlike_networks_are_averaged_to_the_smaller_size() -> None:
    """Frames 1 and 2 belong to the teacher's first frame: columns (1+1+3+3)/4 = 2 and (3+1+1+1)/4 = 1.5."""
    ours, theirs, weight = same_size(STUDENT[:, 0], TEACHER[:, 0], None, 1)
    assert ours.tolist() == [[[[2.0, 1.5]]], [[[0.0, 4.0]]]] and theirs.squeeze().tolist() == [[3, 4], [1, 0]]
    assert weight is None
    found = spatial_distances([STUDENT], [TEACHER], torch.ones(1, 2), distance=cosine_distance)
    first = 1 - (2 * 3 + 1.5 * 4) / (2.5 * 5)  # 0.04; the second pair is orthogonal: 1
    assert found.tolist() == pytest.approx([(first + 1) / 2])
    masked = spatial_distances([STUDENT], [TEACHER], torch.tensor([[1.0, 0]]), distance=cosine_distance)
    assert masked.tolist() == pytest.approx([first])


def test_a_confidence_map_of_the_teachers_images_weights_both() -> None:
    """Left and right half of the images have confidence 1 and 0 in the first frame: only the left column is left."""
    confidence = torch.tensor([[[1.0, 1, 0, 0]] * 2, [[1.0, 1, 1, 1]] * 2])  # (2, 2, 4)
    _, _, weight = same_size(STUDENT[:, 0], TEACHER[:, 0], confidence, 1)
    assert weight is not None and weight.squeeze().tolist() == [[1, 0], [1, 1]]
    found = spatial_distances([STUDENT], [TEACHER], torch.ones(1, 2), confidence, distance=cosine_distance)
    assert found.tolist() == pytest.approx([(0 + 1) / 2])


def test_fewer_positions_than_teacher_frames() -> None:
    """The teacher's frames are averaged to the student's single position."""
    student = torch.tensor([2.0, 1.0]).reshape(1, 1, 1, 1, 2)
    found = spatial_distances([student], [TEACHER], torch.ones(1, 2), distance=cosine_distance)
    assert found.tolist() == pytest.approx([1 - (2 * 2 + 1 * 2) / (math.sqrt(5) * math.sqrt(8))])


def test_with_equal_intervals_q_spans_an_interval() -> None:
    """Two intervals of 2 and of 1 positions: each is a unit; the mean over the two frames of the first is (2, 2)."""
    student = torch.tensor([[[[1.0, 3]], [[3, 1]]], [[[1, 0]], [[1, 0]]]]).unsqueeze(1)  # (2, 1, 2, 1, 2)
    found = spatial_distances([student], [TEACHER], torch.ones(1, 2), distance=cosine_distance)
    assert found.tolist() == pytest.approx([(1 - (2 * 3 + 2 * 4) / (math.sqrt(8) * 5) + 0) / 2], abs=1e-6)


def test_equal_maps_take_the_papers_path() -> None:
    torch.manual_seed(0)
    maps = [torch.rand(4, 3, 6, 8), torch.rand(4, 5, 3, 4)]
    others = [torch.rand_like(one) for one in maps]
    found = spatial_distances(maps, others, torch.ones(2, 2), distance=cosine_distance)
    for term, one, other in zip(found, maps, others, strict=True):
        direct = cosine_distance(one.abs().sum(1).flatten(1), other.abs().sum(1).flatten(1)).reshape(2, 2)
        assert torch.equal(term, (direct.sum(1) / 2).mean())


def test_stages_are_paired_by_relative_depth() -> None:
    assert pair_by_depth("abc", "1234") == [("a", "1"), ("b", "3"), ("c", "4")]
    assert pair_by_depth("abcd", "12") == [("b", "1"), ("d", "2")]
    assert pair_by_depth("abc", "12") == [("b", "1"), ("c", "2")]
    assert pair_by_depth("ab", "12") == [("a", "1"), ("b", "2")]
    assert pair_by_depth("a", "123") == [("a", "3")]


def test_units_of_padding_do_not_count() -> None:
    assert real_units(torch.tensor([[1.0, 0]]), 2).tolist() == [[1, 0]]
    assert real_units(torch.tensor([[1.0, 1, 1, 0]]), 2).tolist() == [[1, 1]]
    assert real_units(torch.tensor([[1.0]]), 3).tolist() == [[1, 1, 1]]


def test_low_images_get_the_frames_and_the_size_of_high_images() -> None:
    low = torch.arange(8.0).reshape(1, 1, 8, 1, 1).expand(1, 3, 8, 3, 4)
    high = torch.zeros(4, 3, 6, 8)
    assert image_like(low, high, 1)[:, 0, 0, 0].tolist() == [1, 3, 5, 7]
    assert image_like(low, high, 1).shape == high.shape
    clips = torch.zeros(1, 3, 8, 6, 8)
    assert image_like(low, clips, 1)[0, 0, :, 5, 7].tolist() == list(range(8))
    assert image_like(high, high, 1) is high


# -- the temporal attention module of a student with other intervals


class Backbone(nn.Module):
    """Average pooling and a classifier that passes features on."""

    def pool(self, maps: Tensor) -> Tensor:
        return maps.flatten(2).mean(2)

    def get_classifier(self) -> nn.Module:
        return nn.Identity()


def test_segments_are_averages_over_equal_parts_of_the_view() -> None:
    head = SegmentAttention(Backbone(), num_features=1, intervals=2, width=3)
    with torch.no_grad():
        head.fc2.weight.zero_()
        head.fc2.bias.copy_(torch.tensor([0.0, math.log(3.0)]))  # weights 1/4 and 3/4
    logits, outputs = head(STUDENT.unsqueeze(1), torch.ones(1, 1))
    # mean of frames 1 and 2: 14 / 8; of frames 3 and 4: 16 / 8
    assert logits.tolist() == [[pytest.approx(14 / 8 / 4 + 3 / 4 * 2)]]
    assert outputs["weights"].tolist() == [pytest.approx([0.25, 0.75])]
    assert outputs["fc1"].shape == (1, 3) and outputs["fc2"].shape == (1, 2)


def test_equal_weights_give_the_mean_over_time() -> None:
    torch.manual_seed(0)
    maps, mask = torch.rand(3, 1, 5, 6, 2, 2), torch.ones(3, 1)
    logits, _ = SegmentAttention(Backbone(), num_features=5, intervals=3)(maps, mask)
    plain = MeanLogits(nn.Identity())(Backbone().pool(maps.flatten(0, 1)).reshape(3, 1, 5), mask)
    assert torch.allclose(logits, plain, atol=1e-6)


def test_a_trained_confidence_map_gates_the_segments() -> None:
    """Confidence 1 on the left and 0 on the right doubles the left half and removes the right."""
    student = nn.Module()
    student.backbone, student.head = Backbone(), SegmentAttention(Backbone(), num_features=1, intervals=2)
    kept = torch.zeros(2, 2, 4)
    kept[:, :, :2] = 1
    assert at_stage(kept, (1, 4, 2, 2), 1)[0, 3].tolist() == [[1, 0], [1, 0]]
    logits = gated_logits(student, STUDENT, kept, torch.ones(1, 1))  # type: ignore[arg-type]
    assert logits.item() == pytest.approx(2 * (1 + 1 + 3 + 3) / 16)


# -- runs


@pytest.mark.parametrize("method", ["stat", "cstat", "cstat:difference+rc", "strong-kd"])
def test_methods_run_with_an_unlike_teacher(toys: Catalog, method: str, tmp_path: Path) -> None:  # noqa: F811
    plan = planned(toys, method)
    result = go(toys, plan, tmp_path / "run", tmp_path / "cache")
    loaded = load_run(result.folder, result.record, toys)
    view = torch.rand(2, 1, 3, 8, 12, 16)
    assert loaded.recognizer(view, torch.ones(2, 1)).shape == (2, 3)
    if "stat" in method:
        assert isinstance(loaded.recognizer.head, SegmentAttention) and loaded.recognizer.head.intervals == 4
        cost = costs_of_plan(plan, components_of(toys, plan), torch.device("cpu"))[0]
        assert cost["describe"]["teacher_intervals"] == 4 and cost["structure"] == result.record["structure"]
        teacher = planned(toys, f"{method.partition(':')[0]}:teacher")
        alone = go(toys, teacher, tmp_path / "teacher", tmp_path / "cache")
        assert stages(alone) == {"teacher-tam": True}


def test_confidence_that_learns_from_classification(toys: Catalog, tmp_path: Path) -> None:  # noqa: F811
    plan = planned(toys, "cstat", "method.confidence_loss=both")
    record = go(toys, plan, tmp_path / "run", tmp_path / "cache").record
    assert stages(go(toys, plan, tmp_path / "again", tmp_path / "cache"))["joint"] is True and record["scores"]


def test_networks_that_differ_only_in_size_keep_their_intervals(toys: Catalog, tmp_path: Path) -> None:  # noqa: F811
    plan = planned(toys, "cstat", backbone="toynet", sampling="2x1", teacher_backbone=None)
    head = recognizer_of(plan, components_of(toys, plan)).head
    assert not isinstance(head, SegmentAttention)
    assert go(toys, plan, tmp_path / "run", tmp_path / "cache").record["plan"]["teacher_size"] == [24, 32]


def test_a_backbone_with_layers_after_pooling(toys: Catalog) -> None:  # noqa: F811
    """C3D's features of a segment are those of its fully connected layers."""
    plan = planned(toys, "stat", backbone="c3d", size="32x32", sampling="1x16")
    with torch.device("meta"):
        student = recognizer_of(plan, components_of(toys, plan)).eval()
        trace = student.trace(torch.rand(1, 1, 3, 16, 12, 16), torch.ones(1, 1))
    assert trace.head_outputs["weights"].shape == (1, 4)


def test_stats_rolling_weights_need_as_many_stages_as_it_lists(toys: Catalog) -> None:  # noqa: F811
    with pytest.raises(ElrError, match=r"rolling weights for 2 or 4 maps, not for 3"):
        planned(toys, "stat:rc")
