"""The loss of last maps that `reskd` and `elr-distil` share, by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from elrbench_plugins.distillation.map_loss import CrossResolution, resized


def test_the_students_map_is_enlarged_by_hand() -> None:
    """One row 0, 4 becomes 0, 1, 3, 4; the errors from 1, 1, 1, 1 are 1, 0, 4, 9."""
    student = torch.tensor([0.0, 4.0]).reshape(1, 1, 1, 1, 2).requires_grad_()
    teacher = torch.ones(1, 1, 1, 1, 4, requires_grad=True)
    loss = CrossResolution(1, 1)(student, teacher)
    assert loss.item() == pytest.approx((1 + 0 + 4 + 9) / 4)
    loss.backward()
    # pixel 0 has the shares 1, 3/4, 1/4, 0; the error's derivative is 2/4 of -1, 0, 2, 3
    assert student.grad is not None and teacher.grad is None
    assert student.grad.flatten().tolist() == pytest.approx([0.5 * (-1 + 0.5), 0.5 * (1.5 + 3)])


def test_the_teachers_map_is_reduced_by_hand() -> None:
    """0, 2, 4, 6 becomes 1, 5."""
    student, teacher = torch.zeros(1, 1, 1, 1, 2), torch.tensor([0.0, 2, 4, 6]).reshape(1, 1, 1, 1, 4)
    assert CrossResolution(1, 1, "teacher")(student, teacher).item() == pytest.approx((1 + 25) / 2)


def test_space_is_resized_frame_by_frame() -> None:
    maps = torch.rand(2, 3, 5, 4, 4)
    for frame, seen in enumerate(resized(maps, (5, 7, 7)).unbind(2)):
        expected = nn.functional.interpolate(maps[:, :, frame], (7, 7), mode="bilinear")
        torch.testing.assert_close(seen, expected)
    assert resized(maps, (5, 4, 4)) is maps


def test_other_channels_get_a_projection() -> None:
    loss = CrossResolution(2, 3)
    assert sum(each.numel() for each in loss.parameters()) == 6 and not list(CrossResolution(3, 3).parameters())
    with torch.no_grad():
        loss.projection.weight.copy_(torch.tensor([[1.0, 0], [0, 1], [1, 1]]).reshape(3, 2, 1, 1, 1))
    student, teacher = torch.tensor([2.0, 5]).reshape(1, 2, 1, 1, 1), torch.tensor([2.0, 5, 10]).reshape(1, 3, 1, 1, 1)
    assert loss(student, teacher).item() == pytest.approx((7 - 10) ** 2 / 3)


def test_a_map_is_reduced_to_one_cell_by_hand() -> None:
    """The teacher's 2x2 map has the mean 2.5, to which one cell is resized: (1 - 2.5)² = 2.25."""
    student = torch.ones(1, 1, 1, 1, 1, requires_grad=True)
    teacher = torch.tensor([1.0, 2, 3, 4]).reshape(1, 1, 1, 2, 2).requires_grad_()
    loss = CrossResolution(1, 1, resize="teacher")(student, teacher)
    assert loss.item() == pytest.approx(2.25)
    loss.backward()
    assert student.grad is not None and student.grad.item() == pytest.approx(-3) and teacher.grad is None


@pytest.mark.parametrize("side", ["student", "teacher"])
def test_maps_of_other_lengths_are_compared_at_one_size(side: str) -> None:
    """2 frames of 3x4 against 4 frames of 6x7: one map is resized, the other is as it was."""
    maps = {"student": torch.rand(2, 3, 2, 3, 4), "teacher": torch.rand(2, 3, 4, 6, 7)}
    other = "teacher" if side == "student" else "student"
    changed = nn.functional.interpolate(maps[side], maps[other].shape[2:], mode="trilinear")
    found = CrossResolution(3, 3, side)(maps["student"], maps["teacher"])
    torch.testing.assert_close(found, (changed - maps[other]).square().mean())


def test_the_names_of_parameters_stay_those_of_stored_stages() -> None:
    """Changing a name changes the keys of trained stages."""
    assert list(CrossResolution(2, 3).state_dict()) == ["projection.weight"]
