"""The distance of two attention vectors in CSTAT: the cosine distance of eq. 2 and 3."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.attention_transfer.losses import TINY


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return |1 - cos| of the rows of two (N, D), in float32: (N,).

    The argument of the norm P in eq. 2 and 3 is one number, so the norm is its magnitude for any P.
    A zero row has no direction: its distance is 0, without gradient. An interval in which no area takes part therefore
    transfers nothing.
    """
    student, teacher = student.float(), teacher.float()
    dot = (student * teacher).sum(1)
    norms = torch.linalg.vector_norm(student, dim=1) * torch.linalg.vector_norm(teacher, dim=1)
    directed = norms > TINY
    distance = (1 - dot / norms.where(directed, 1)).abs()
    return distance.where(directed, 0)
