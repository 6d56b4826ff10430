"""The distance of two attention vectors in STAT: a norm of the difference of their directions, eq. 2 and 3."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.attention_transfer.losses import TINY


def normalised_difference(student: Tensor, teacher: Tensor, p: float = 2.0, *, squared: bool = False) -> Tensor:
    """Return ||s/||s||_2 - t/||t||_2||_P of the rows s, t of two (N, D), in float32: (N,).

    squared: return the square, as the text of section 3.2.2 says. At P = 2 it is 2(1 - cos), twice CSTAT's distance.
    A zero row has no direction: its distance is 0, without gradient.
    """
    student, teacher = student.float(), teacher.float()
    lengths = [torch.linalg.vector_norm(vector, dim=1, keepdim=True) for vector in (student, teacher)]
    directed = lengths[0] * lengths[1] > TINY  # (N, 1)
    difference = student / lengths[0].where(directed, 1) - teacher / lengths[1].where(directed, 1)
    distance = torch.linalg.vector_norm(difference.where(directed, 0), ord=p, dim=1)
    return distance.square() if squared else distance
