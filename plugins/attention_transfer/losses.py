"""The distances between two networks' attention, eq. 2 to 4.

How far two vectors are apart tells CSTAT from STAT; what the vectors are, and over what their distances are averaged,
is common to both: `distance` maps the rows of two (N, D) to (N,).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from elrbench_plugins.attention_transfer.attention import mean_over_real, spatial_attention, vec
from elrbench_plugins.attention_transfer.confidence import pool_to_stage

Distance: TypeAlias = Callable[[Tensor, Tensor], Tensor]

TINY = 1e-12  # product of two norms below which a vector has no direction


def spatial_distances(
    student: Sequence[Tensor],
    teacher: Sequence[Tensor],
    mask: Tensor,
    confidence: Tensor | None = None,
    over_time: str = "keep",
    *,
    distance: Distance,
) -> Tensor:
    """The terms of eq. 2, one per residual stage i: (stages,).

    student, teacher: stage maps (B*K, C_i, [T_i,] h_i, w_i). mask: (B, K).
    confidence: None, or (B*K, [T,] H, W) >= 0; then Q^i = vec(F(A^i * C^i)) (section III.C.2), which is
    vec(C^i · F(A^i)), as C has no channels and is not negative.
    Q is one interval's; the term is the mean over a clip's real intervals, then over clips.
    """
    terms = []
    for at_student, at_teacher in zip(student, teacher, strict=True):
        looks = spatial_attention(at_student), spatial_attention(at_teacher)  # (B*K, [T_i,] h_i, w_i)
        if confidence is not None:
            score = pool_to_stage(confidence, looks[0].shape[1:])
            looks = looks[0] * score, looks[1] * score
        apart = distance(vec(looks[0], over_time), vec(looks[1], over_time))  # (B*K,)
        terms.append(mean_over_real(apart.reshape(mask.shape), mask).mean())
    return torch.stack(terms)


def temporal_distances(
    student: Mapping[str, Tensor],
    teacher: Mapping[str, Tensor],
    mask: Tensor,
    score: Tensor | None = None,
    after_softmax: bool = False,
    *,
    distance: Distance,
) -> Tensor:
    """The terms of eq. 3, one per fully connected layer j of the temporal attention module: (2,).

    student, teacher: taps of `TemporalAttention`. score: (B,) or None, what each clip's terms are multiplied by.
    after_softmax: the second layer's output is taken as the intervals' weights; else as the layer gives it.
    """
    last = "weights" if after_softmax else "fc2"
    real = (mask > 0).float()
    pairs = (student["fc1"], teacher["fc1"]), (student[last].float() * real, teacher[last].float() * real)
    terms = torch.stack([distance(*pair) for pair in pairs])  # (2, B)
    return (terms if score is None else terms * score).mean(1)


def total(ce: Tensor, sat: Tensor, tat: Tensor, external: Sequence[float]) -> Tensor:
    """Eq. 4: W_ce·L_CE + W_sat·L_SAT + W_tat·L_TAT."""
    return external[0] * ce + external[1] * sat + external[2] * tat
