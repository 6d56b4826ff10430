"""How far two attention vectors are apart in CSTAT: the cosine distance of eq. 2 and 3."""

from __future__ import annotations

import torch
from torch import Tensor

from elrbench_plugins.attention_transfer.losses import TINY


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """|1 - cos| of the rows of two (N, D), in float32: (N,).

    The norm P of eq. 2 and 3 is taken of one number, so it is that number's magnitude, whatever P.
    A zero row has no direction: it is at distance 0, with no gradient. So an interval without any area involved
    transfers nothing.
    """
    student, teacher = student.float(), teacher.float()
    dot = (student * teacher).sum(1)
    norms = torch.linalg.vector_norm(student, dim=1) * torch.linalg.vector_norm(teacher, dim=1)
    directed = norms > TINY
    distance = (1 - dot / norms.where(directed, 1)).abs()
    return distance.where(directed, 0)
