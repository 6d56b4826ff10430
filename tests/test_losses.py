"""Task and soft-label losses against computations by hand."""

import math

import pytest
import torch

from benchmark_core.networks.losses import soft_loss, task_loss

LOGITS = torch.tensor([[math.log(3), 0.0], [0.0, 0.0]], dtype=torch.float64)  # softmax: 3/4, 1/4 and 1/2, 1/2


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_cross_entropy():
    loss = task_loss("single-label")(LOGITS, torch.tensor([0, 1]))
    assert loss.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_label_smoothing():
    loss = task_loss("single-label", 0.2)(LOGITS[:1], torch.tensor([0]))
    assert loss.item() == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_binary_cross_entropy():
    loss = task_loss("multi-label")(LOGITS, torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64))
    assert loss.item() == pytest.approx((math.log(4 / 3) + 3 * math.log(2)) / 4)  # sigmoid(log 3) = 3/4


def test_binary_label_smoothing():
    loss = task_loss("multi-label", 0.2)(LOGITS[:1, :1], torch.ones(1, 1, dtype=torch.float64))
    assert loss.item() == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_soft_loss():
    # T = 2 halves the logits: the teacher's 2·log 3 gives 3/4, 1/4; the student's 0, 0 gives 1/2, 1/2
    teacher = torch.tensor([[2 * math.log(3), 0.0]])
    divergence = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert soft_loss("single-label", torch.zeros(1, 2), teacher, 2.0).item() == pytest.approx(4 * divergence)


def test_soft_loss_is_a_mean_over_clips():
    student, teacher = torch.randn(3, 5), torch.randn(3, 5)
    each = [soft_loss("single-label", student[i : i + 1], teacher[i : i + 1], 3.0).item() for i in range(3)]
    assert soft_loss("single-label", student, teacher, 3.0).item() == pytest.approx(sum(each) / 3, rel=1e-5)


def test_soft_loss_of_many_labels():
    student, teacher, temperature = [0.5, -1.0], [2.0, 0.0], 2.0
    expected = 0.0
    for s, t in zip(student, teacher, strict=True):
        p, q = sigmoid(t / temperature), sigmoid(s / temperature)
        expected += (p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))) / 2
    loss = soft_loss("multi-label", torch.tensor([student]), torch.tensor([teacher]), temperature)
    assert loss.item() == pytest.approx(temperature**2 * expected, rel=1e-5)


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_soft_loss_vanishes_where_student_and_teacher_agree(task):
    logits = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    loss = soft_loss(task, logits, logits.detach(), 4.0)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert logits.grad.abs().max() < 1e-12


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_the_teacher_gets_no_gradient(task):
    student, teacher = (torch.randn(2, 3, requires_grad=True) for _ in range(2))
    soft_loss(task, student, teacher, 2.0).backward()
    assert teacher.grad is None
    assert student.grad.abs().max() > 0


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_certain_answers_stay_finite(task):
    student = torch.tensor([[300.0, -300.0]], requires_grad=True)
    loss = soft_loss(task, student, torch.tensor([[-300.0, 300.0]]), 1.0)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(student.grad).all()


@pytest.mark.parametrize("task", ["single-label", "multi-label"])
def test_half_precision_logits_give_a_full_precision_loss(task):
    student, teacher = torch.randn(2, 3).bfloat16(), torch.randn(2, 3).bfloat16()
    loss = soft_loss(task, student, teacher, 4.0)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(soft_loss(task, student.float(), teacher.float(), 4.0).item())
