"""The task loss and the soft-label loss, each in a single-label and a multi-label form."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Task: TypeAlias = Literal["single-label", "multi-label"]


def task_loss(task: Task, label_smoothing: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    """Return `loss(logits (B, C), target) -> scalar`, the mean over clips and, if multi-label, over classes.

    single-label: cross-entropy, target int64 (B,). multi-label: binary cross-entropy, target float (B, C).
    label_smoothing: the fraction of a target that is spread evenly over its outcomes: the C classes, or yes and no.
    """
    if task == "single-label":
        return partial(functional.cross_entropy, label_smoothing=label_smoothing)
    return partial(_binary_cross_entropy, label_smoothing=label_smoothing)


def soft_loss(task: Task, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Return the distance of the student's softened predictions from the teacher's: a scalar, the mean over clips.

    student, teacher: logits (B, C). temperature: T.

    single-label: T²·KL(softmax(teacher/T) || softmax(student/T)) (Hinton et al., 2015).
    multi-label: T²·mean over classes of the Bernoulli KL of sigmoid(./T).
    The factor T² keeps the size of the gradient independent of T. The teacher gets no gradient.
    """
    student = _full(student) / temperature
    teacher = _full(teacher.detach()) / temperature
    if task == "single-label":
        divergence = _divergence(teacher.log_softmax(-1), student.log_softmax(-1)).sum(-1)
    else:
        yes = _divergence(functional.logsigmoid(teacher), functional.logsigmoid(student))
        no = _divergence(functional.logsigmoid(-teacher), functional.logsigmoid(-student))
        divergence = (yes + no).mean(-1)
    return temperature**2 * divergence.mean()


def _divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the terms p·log(p/q) of KL(p || q)."""
    return log_p.exp() * (log_p - log_q)


def _binary_cross_entropy(logits: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
    target = target * (1 - label_smoothing) + label_smoothing / 2
    return functional.binary_cross_entropy_with_logits(_full(logits), target)


def _full(logits: Tensor) -> Tensor:
    """Return logits in at least float32, because autocast gives half precision."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
