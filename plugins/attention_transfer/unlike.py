"""Attention transfer between networks that differ in backbone, size or frames. The papers have equal networks.

Attention maps have no channels, so that maps of different networks can be compared once they have one size. Both are
averaged to the smaller size along time, height and width; the direction of the resulting vectors is compared as before.
Q of eq. 2 spans an interval if both networks have the same intervals. Otherwise it spans one position in time: the
student's frames that belong to a teacher's frame are averaged.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmark_core.networks.frame_picker import centres
from elrbench_plugins.distillation.unlike_maps import common_shape, resized, volume


def same_size(
    student: Tensor, teacher: Tensor, confidence: Tensor | None, clips: int
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return attention maps of `clips` clips, and the confidence map, at a common size: (N, time, h, w) each.

    student, teacher: (B*K, [T,] h, w), each with its own K, T and size. confidence: (B*K, [T,] H, W) of the teacher's
    images, averaged down to the common size. N is B*K if both have K intervals, else B times positions in time.
    """
    ours, theirs = (volume(maps.unsqueeze(1), clips) for maps in (student, teacher))  # (B, 1, K*T, h, w)
    shape = common_shape(ours, theirs)
    units = len(student) if len(student) == len(teacher) else clips * shape[0]
    weight = None if confidence is None else volume(confidence.unsqueeze(1), clips)
    ours, theirs = (resized(maps, shape).reshape(units, -1, *shape[1:]) for maps in (ours, theirs))
    return ours, theirs, None if weight is None else resized(weight, shape).reshape(ours.shape)


def real_units(mask: Tensor, units: int) -> Tensor:
    """Return which units of each clip are real, (B, units / B), given the teacher's mask (B, K).

    A unit is real if its first frame is of a real interval.
    """
    each = units // len(mask)
    return mask[:, [number * mask.shape[1] // each for number in range(each)]]


def image_like(image: Tensor, like: Tensor, clips: int) -> Tensor:
    """Return the student's images with the frames and the size of the teacher's images `like`, (B*K, C, [T,] H, W).

    CSTAT enlarges low frames to the size of high frames before it compares them. At the low size, the difference would
    show blur and noise alone, because low frames are averages of high ones. Frames are the centres of equal parts, as
    `FramePicker` chooses those of a 2D teacher; the size is changed bilinearly.
    """
    if image.shape == like.shape:
        return image
    seen, wanted = volume(image, clips), volume(like, clips)  # (B, C, K*T, h, w)
    total, frames = seen.shape[2], wanted.shape[2]
    if total != frames:
        seen = seen[:, :, centres(total, frames)]
    flat = seen.transpose(1, 2).flatten(0, 1)  # (B*frames, C, h, w)
    flat = interpolate(flat, tuple(like.shape[-2:]), mode="bilinear", align_corners=False, antialias=True)
    if like.ndim == 4:
        return flat
    return flat.reshape(len(like), -1, *flat.shape[1:]).transpose(1, 2)


def at_stage(confidence: Tensor, stage: Sequence[int], clips: int) -> Tensor:
    """Return a confidence map (B*K, [T,] H, W) of the teacher's images at the size of a stage map of the student.

    stage: (B*K', [T_i,] h_i, w_i), which the result has, too.
    """
    time = (torch.Size(stage).numel() // (stage[-2] * stage[-1])) // clips  # K' * T_i
    sized = resized(volume(confidence.unsqueeze(1), clips), (time, *stage[-2:]))
    return sized.reshape(*stage)
