"""multi-siamese: its loss, transforms and network by hand, what its training sees, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_kd import go, same, scored, stages, training_of
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.errors import ElrError
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.runs.time_estimate import estimate_times
from elrbench_plugins.lr_transforms.pool import pool, transformed
from elrbench_plugins.multi_siamese import fit
from elrbench_plugins.multi_siamese.losses import contrastive
from elrbench_plugins.multi_siamese.network import LrTwoStream, lr_two_stream, pyramid, stacked

STRENGTH = {"low": (12, 16), "shift": 1.0, "scale": 1.1, "angle": 5.0}


def planned(catalog: Catalog, method: str = "multi-siamese", *settings: str, **changes: Any) -> Plan:
    numbers = ("method.batch=12", "method.epochs=2", *settings)
    fields = {"dataset": "toy", "budget": "smoke", "settings": numbers, **changes}
    return resolve_plan(catalog, PlanRequest(method=method, **fields))


# -- the loss


def test_the_loss_by_hand() -> None:
    """Two scenes of two views: 0 and 1, 3 and 3.5; the margin is 3."""
    points = torch.tensor([[[0.0], [1.0]], [[3.0], [3.5]]], requires_grad=True)
    near = (1 + 0.25) / 2
    far = (0 + 0 + (3 - 2) ** 2 + (3 - 2.5) ** 2) / 4  # distances 3, 3.5, 2, 2.5; both neighbours are the same pairs
    loss = contrastive(points, 3.0, unit=False)
    assert loss.item() == pytest.approx(near + far)
    loss.backward()
    # by the first scene's second view: 2 * 1 / 2 from its pair; 2 (1 + 0.5) / 4 from the others, which move it away
    assert points.grad is not None and points.grad[0, 1].item() == pytest.approx(1 + 0.75)
    assert contrastive(points[:1], 3.0, unit=False).item() == pytest.approx(1.0)  # one scene has no neighbour


def test_embeddings_are_scaled_to_length_one() -> None:
    points = torch.tensor([[[2.0, 0], [0, 5.0]]])
    assert contrastive(points, 1.0, unit=True).item() == pytest.approx(2.0)


@pytest.mark.parametrize("labels", [torch.tensor([1, 1, 0]), torch.tensor([[1.0, 0], [1, 0], [1, 1]])])
def test_scenes_of_one_class_may_be_left_out(labels: torch.Tensor) -> None:
    """Scenes at 0, 0 and 1: the pairs 0-1, 1-2 and 2-0 have the distances 0, 1 and 1, and the margin is 1.5."""
    points = torch.tensor([0.0, 0, 1]).reshape(3, 1, 1).expand(3, 2, 1)
    assert contrastive(points, 1.5, unit=False).item() == pytest.approx((2.25 + 0.25 + 0.25) / 3, abs=1e-5)
    assert contrastive(points, 1.5, unit=False, labels=labels).item() == pytest.approx(0.25)


def test_equal_embeddings_have_a_finite_gradient() -> None:
    points = torch.zeros(2, 2, 3, requires_grad=True)
    contrastive(points, 1.0, unit=False).backward()
    assert points.grad is not None and points.grad.isfinite().all()


# -- transforms


def test_a_pool_is_fixed_by_its_seed_and_begins_with_the_view_itself() -> None:
    one, again, other = pool(3, 40, **STRENGTH), pool(3, 40, **STRENGTH), pool(4, 40, **STRENGTH)
    assert torch.equal(one.shift, again.shift) and not torch.equal(one.shift, other.shift)
    assert not one.shift[0].any() and one.scale[0] == 1 and one.angle[0] == 0
    assert (one.shift.abs() * torch.tensor([12, 16])).max() <= 1.0001 and one.shift.abs().max() > 0.04
    assert 1 / 1.1001 <= one.scale.min() < 0.95 and 1.05 < one.scale.max() <= 1.1001
    assert np.degrees(one.angle.abs().max().item()) <= 5.0001


def test_transforms_of_a_clip_follow_each_other() -> None:
    """A shift of one low pixel to the right is four pixels of a view of four times its size."""
    high = torch.rand(2, 1, 3, 2, 48, 64)
    drawn = pool(0, 3, **STRENGTH)
    drawn.shift[1:], drawn.scale[1:], drawn.angle[1:] = torch.tensor([0.0, 1 / 16]), 1.0, 0.0
    seen = transformed(high, drawn).unflatten(0, (2, 3))
    torch.testing.assert_close(seen[:, 0], high, atol=1e-5, rtol=0)
    torch.testing.assert_close(seen[:, 1, ..., 4:], high[..., :-4], atol=1e-4, rtol=0)
    assert torch.equal(seen[:, 1], seen[:, 2])


# -- the network


def test_a_pyramid_by_hand() -> None:
    series = torch.tensor([3.0, 1, 4, 1, 5, 9, 2, 6]).reshape(1, 8, 1)
    assert pyramid(series, 3).flatten().tolist() == [9, 4, 9, 3, 4, 9, 6]
    assert pyramid(series[:, :3], 3).flatten().tolist() == [4, 3, 4, 3, 3, 4, 4]


def test_a_stack_is_of_the_next_fields() -> None:
    motion = torch.arange(8.0).reshape(1, 4, 2, 1, 1)  # fields (0, 1), (2, 3), (4, 5), (6, 7)
    assert stacked(motion, 3)[0, 2].flatten().tolist() == [4, 5, 6, 7, 6, 7]


def test_parameters_and_shapes() -> None:
    trunk = {inputs: 9 * inputs * 32 + 9 * 32 * 64 + 9 * 64 * 128 + 3 * (32 + 64 + 128) for inputs in (3, 20)}
    dense = 2 * (128 * 12 * 128 + 128)
    network = lr_two_stream(12)
    count = sum(trunk.values()) + dense + 15 * 256 * 256 + 256 + 257 * 12
    assert sum(each.numel() for each in network.parameters()) == count == 1_572_140
    network.eval()
    with torch.no_grad():
        (frames,) = network.forward_features(torch.rand(2, 3, 5, 12, 16))
        assert frames.shape == (2, 256, 5, 1, 1) and network.pool(frames).shape == (2, 256)
        assert network(torch.rand(1, 3, 1, 12, 16)).shape == (1, 12)  # one frame has no motion
        assert network(torch.rand(1, 3, 3, 24, 20)).shape == (1, 12)


def test_gradients_reach_every_parameter() -> None:
    network = LrTwoStream(3, width=8, embedding=16).train()
    nn.functional.cross_entropy(network(torch.rand(4, 3, 8, 12, 16) * 2 - 1), torch.tensor([0, 2, 1, 0])).backward()
    assert all(each.grad is not None for each in network.parameters())
    assert all(float(each.grad.abs().sum()) > 0 for each in network.parameters() if each.ndim > 1)  # type: ignore[union-attr]


# -- training


def test_what_a_branch_sees(toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first view of a clip is the stored one; all have the clip's crop and label."""
    plan = planned(toy_catalog, "multi-siamese", "method.transforms=3")
    training = training_of(toy_catalog, plan, tmp_path)
    batches: list[Any] = []
    seen: list[tuple[Any, Any]] = []
    low_views, recognizer, task_loss = fit.low_views, training.recognizer, training.task_loss
    targets: list[torch.Tensor] = []

    def made(degrade: Any, batch: Any, drawn: Any) -> Any:
        batches.append(batch)
        return low_views(degrade, batch, drawn)

    def watched(**given: Any) -> Any:
        student = recognizer(**given)
        trace = student.trace

        def watch(low: Any, mask: Any, box: Any) -> Any:
            seen.append((low, box))
            return trace(low, mask, box)

        monkeypatch.setattr(student, "trace", watch)
        return student

    def loss(logits: Any, target: Any) -> Any:
        targets.append(target)
        return task_loss(logits, target)

    monkeypatch.setattr(fit, "low_views", made)
    monkeypatch.setattr(training, "recognizer", watched)
    monkeypatch.setattr(training, "task_loss", loss)
    student = fit.fit(training)
    batch, (low, box) = batches[0], seen[0]
    views = low.unflatten(0, (12, 3))
    assert len(seen) == 4 and low.shape == (36, 1, 3, 8, *batch.low.shape[-2:])
    assert torch.equal(views[:, 0], batch.low) and not torch.allclose(views[:, 1], views[:, 2], atol=0.02)
    assert torch.equal(box.unflatten(0, (12, 3))[:, 2], batch.box)
    assert torch.equal(targets[0].unflatten(0, (12, 3))[:, 1], batch.target)
    row = training.stages[-1]["history"][-1]
    assert row["loss"] == pytest.approx(row["task"] + row["contrast"], rel=1e-4)
    assert all(each.grad is not None for each in student.parameters())


def test_the_control_sees_as_much_and_has_one_loss(toy_catalog: Catalog, tmp_path: Path) -> None:
    usual = go(toy_catalog, planned(toy_catalog), tmp_path)
    control = go(toy_catalog, planned(toy_catalog, "multi-siamese:no-contrast"), tmp_path)
    assert stages(usual) == stages(control) == {"student": False}
    assert usual.record["updates"] == control.record["updates"] == {"student": 4}
    training = training_of(toy_catalog, planned(toy_catalog, "multi-siamese:no-contrast"), tmp_path / "control")
    fit.fit(training)
    for row in training.stages[0]["history"]:
        assert "contrast" not in row and row["loss"] == row["task"]
    assert not same(scored(usual), scored(control))


def test_weight_margin_and_scale_reach_the_loss(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[float, bool]] = []

    def watched(embeddings: Any, margin: float, *, unit: bool, labels: Any) -> Any:
        given.append((margin, unit))
        return contrastive(embeddings, margin, unit=unit, labels=labels)

    monkeypatch.setattr(fit, "contrastive", watched)
    settings = ("method.contrast_weight=0.5", "method.margin=1.75", "method.unit=false")
    training = training_of(toy_catalog, planned(toy_catalog, "multi-siamese", *settings), tmp_path)
    fit.fit(training)
    assert set(given) == {(1.75, False)}
    for row in training.stages[0]["history"]:
        assert row["contrast"] > 0 and row["loss"] == pytest.approx(row["task"] + 0.5 * row["contrast"], rel=1e-3)


@pytest.mark.parametrize("changes", [{"backbone": "native3d-xs"}, {"backbone": "toynet", "sampling": "2x1"}])
def test_other_backbones_learn_it(toy_catalog: Catalog, tmp_path: Path, changes: dict[str, str]) -> None:
    plan = planned(toy_catalog, "multi-siamese:other-classes", **changes)
    components = components_of(toy_catalog, plan)
    assert estimate_times(plan, components, clips=24, device=torch.device("cpu"), cache=tmp_path)["student"] > 0
    assert stages(go(toy_catalog, plan, tmp_path)) == {"student": False}


def test_the_default_plan(catalog: Catalog) -> None:
    plan = resolve_plan(catalog, PlanRequest(method="multi-siamese", dataset="hmdb51"))
    assert (plan.backbone, plan.enhancer, plan.size, plan.high_size, plan.sampling) == (
        "lr-two-stream", "none", (12, 16), (48, 64), "clip-32",
    )  # fmt: skip


def test_made_views_are_whole_grey_levels_under_bf16(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored views are. Products of half precision would be off by more than a grey level."""
    training = training_of(toy_catalog, planned(toy_catalog, precision="bf16"), tmp_path)
    seen: list[torch.Tensor] = []
    low_views = fit.low_views

    def made(*given: Any) -> Any:
        found = low_views(*given)
        seen.append(found[0] * 255)
        return found

    monkeypatch.setattr(fit, "low_views", made)
    fit.fit(training)
    assert (seen[0] - seen[0].round()).abs().max() < 1e-3


def test_the_network_takes_colours_alone(catalog: Catalog) -> None:
    for changes in ({"modality": "flow"}, {"modality": "rgb+diff-early"}):
        plan = resolve_plan(
            catalog,
            PlanRequest(method="supervised", dataset="puppets", backbone="lr-two-stream", budget="smoke", **changes),
        )
        with pytest.raises(ElrError, match="takes red, green and blue alone: it computes .*; use --modality rgb"):
            costs_of_plan(plan, components_of(catalog, plan), torch.device("cpu"))


# -- what is refused


@pytest.mark.parametrize(
    ("settings", "changes", "message"),
    [
        (("method.transforms=1",), {}, "transforms=1 is below 2"),
        ((), {"backbone": "c3d", "teacher_backbone": "lr-two-stream"}, "trains no teacher; remove --teacher-backbone"),
        (("method.batch=1",), {"sampling": "2x8"}, "compares two scenes, .*use method.batch=2 or more"),
        (("method.margin=-1",), {}, "margin=-1.* is below 0"),
        ((), {"modality": "flow"}, "use --modality rgb"),
        ((), {"dataset": "tiny-puppets", "size": "16x16"}, "'native' has none; use e.g. --degradation average-12x16"),
    ],
)
def test_refused(toy_catalog: Catalog, settings: tuple[str, ...], changes: dict[str, str], message: str) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        planned(toy_catalog, "multi-siamese", *settings, **changes)
    assert "\n" not in str(caught.value)
