"""The numbers of distillation with today's habits. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core import Option
from elrbench_plugins.distillation.options import SOFT
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS

STUDENT: Mapping[str, Option] = {
    "start": Option(
        default="fresh",
        choices=("fresh", "teacher", "student"),
        unspecified=True,
        help="what the student starts from: its backbone's initialisation, the teacher's weights, or the student alone "
        "on its labels",
    ),
    "student_lr": Option(default=1e-3, low=0.0, unspecified=True, help="peak learning rate of the student's AdamW"),
    "student_weight_decay": Option(
        default=0.05, low=0.0, unspecified=True, help="weight decay of the student's AdamW; biases and norms have none"
    ),
    "student_warmup_epochs": Option(
        default=2, low=0, unspecified=True, help="epochs of linear warm-up before the student's cosine"
    ),
    "student_label_smoothing": Option(
        default=0.1, low=0.0, high=0.9, unspecified=True, help="label smoothing of the student's task loss"
    ),
    "student_clip_norm": Option(
        default=0.0,
        low=0.0,
        added=True,
        unspecified=True,
        help="largest gradient norm of the student; 0 is clip_norm's",
    ),
    "student_freeze_bn": Option(
        default="none",
        choices=("none", "all-but-first"),
        added=True,
        unspecified=True,
        help="the student's batch normalisations that stand still, scale, shift and statistics: for one that does not "
        "start from scratch",
    ),
    "jitter": Option(
        default=0.3,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="brightness, contrast and saturation are multiplied by up to 1 - this and 1 + this",
    ),
    "erase": Option(
        default=0.25, low=0.0, high=1.0, unspecified=True, help="chance that a rectangle of a clip is made grey"
    ),
    "mixup": Option(
        default=0.4,
        low=0.0,
        high=8.0,
        unspecified=True,
        help="a of the Beta(a, a) that draws a clip's share in its mixture with another one; 0 mixes nothing",
    ),
    "ema_decay": Option(
        default=0.999,
        low=0.0,
        high=0.999999,
        unspecified=True,
        help="decay of the moving average of the student, which is scored; 0 scores the student itself",
    ),
}
ALONE = (
    "optimiser",
    "lr",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "label_smoothing",
)  # what STUDENT has its own of
OPTIONS: Mapping[str, Option] = {
    **JOINT_OPTIONS,
    **{key: replace(JOINT_OPTIONS[key], help=f"of the teacher: {JOINT_OPTIONS[key].help}") for key in ALONE},
    "epochs": replace(JOINT_OPTIONS["epochs"], help="passes of the teacher"),
    "joint_epochs": replace(
        JOINT_OPTIONS["joint_epochs"], help="the student's passes beyond `epochs`: its one phase is as long as both"
    ),
    **SOFT,
    "temperature": replace(SOFT["temperature"], unspecified=True, help="divides both networks' logits, as in kd"),
    **STUDENT,
}
BUDGETS = JOINT_BUDGETS  # supervised's: the T-Net is one stage with theirs
__all__ = ["BUDGETS", "DEFAULTS", "OPTIONS"]
