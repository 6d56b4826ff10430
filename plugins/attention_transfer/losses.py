"""Losses of attention transfer, eq. 2 to 4 of STAT and CSTAT.

The two papers differ in the distance of two attention vectors: `distance` maps the rows of two (N, D) to (N,). See
`stat/losses.py` and `cstat/losses.py`. The vectors, and the means over intervals and clips, are the same in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from elrbench_plugins.attention_transfer.attention import mean_over_real, spatial_attention, vec
from elrbench_plugins.attention_transfer.confidence import pool_to_stage
from elrbench_plugins.attention_transfer.unlike import real_units, same_size
from elrbench_plugins.distillation.unlike_maps import pair_by_depth

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
    """Return the terms of eq. 2, one per residual stage i: (stages,).

    Q spans one interval. A term is the mean over a clip's real intervals, then over clips. For networks that differ,
    see `pair_by_depth` (number of stages) and `attention_transfer.unlike` (size of maps, Q).

    student, teacher: stage maps (B*K, C_i, [T_i,] h_i, w_i). mask: (B, K) of the teacher.
    confidence: None, or (B*K, [T,] H, W) >= 0. Then Q^i = vec(F(A^i * C^i)) (section III.C.2). C has no channels and is
        not negative, so F(A^i * C^i) = C^i * F(A^i).
    over_time: see `vec`.
    """
    terms = []
    for student_map, teacher_map in pair_by_depth(student, teacher):
        f_student, f_teacher = spatial_attention(student_map), spatial_attention(teacher_map)  # (B*K, [T_i,] h_i, w_i)
        c, real = None, mask
        if f_student.shape != f_teacher.shape:
            f_student, f_teacher, c = same_size(f_student, f_teacher, confidence, len(mask))
            real = real_units(mask, len(f_student))
        elif confidence is not None:
            c = pool_to_stage(confidence, f_student.shape[1:])  # (B*K, [T_i,] h_i, w_i)
        if c is not None:
            f_student, f_teacher = f_student * c, f_teacher * c
        distances = distance(vec(f_student, over_time), vec(f_teacher, over_time))  # (B*K,)
        terms.append(mean_over_real(distances.reshape(real.shape), real).mean())
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
    """Return the terms of eq. 3, one per fully connected layer j of the temporal attention module: (2,).

    student, teacher: the outputs that `TemporalAttention` returns. mask: (B, K).
    score: (B,) or None; the temporal confidence that multiplies each clip's terms.
    after_softmax: compare the second layer after its softmax instead of before.
    """
    last = "weights" if after_softmax else "fc2"
    real = (mask > 0).float()
    pairs = (student["fc1"], teacher["fc1"]), (student[last].float() * real, teacher[last].float() * real)
    terms = torch.stack([distance(*pair) for pair in pairs])  # (2, B)
    return (terms if score is None else terms * score).mean(1)


def total(ce: Tensor, sat: Tensor, tat: Tensor, external: Sequence[float]) -> Tensor:
    """Return eq. 4: W_ce * L_CE + W_sat * L_SAT + W_tat * L_TAT. external: the three weights."""
    return external[0] * ce + external[1] * sat + external[2] * tat
