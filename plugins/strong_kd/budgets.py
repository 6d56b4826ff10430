"""Options and budgets of strong-kd. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from elrbench import Option
from elrbench_plugins.distillation.options import SOFT
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS

STUDENT: Mapping[str, Option] = {
    "start": Option(
        default="fresh",
        choices=("fresh", "teacher", "student"),
        unspecified=True,
        help="initial weights of the student. fresh: its backbone's initialisation; teacher: the teacher's weights; "
        "student: trained alone on labels",
    ),
    "student_lr": Option(default=1e-3, low=0.0, unspecified=True, help="peak learning rate of the student's AdamW"),
    "student_weight_decay": Option(
        default=0.05,
        low=0.0,
        unspecified=True,
        help="weight decay of the student's AdamW; none for biases and normalisation layers",
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
        help="largest gradient norm of the student; 0 uses clip_norm",
    ),
    "student_freeze_bn": Option(
        default="none",
        choices=("none", "all-but-first"),
        added=True,
        unspecified=True,
        help="batch normalisation layers of the student to freeze (scale, shift and statistics); use it only for a "
        "student that does not start from scratch",
    ),
    "jitter": Option(
        default=0.3,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="j: brightness, contrast and saturation are multiplied by factors from 1 - j to 1 + j",
    ),
    "erase": Option(
        default=0.25,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="probability that a rectangle of a clip is erased (grey)",
    ),
    "mixup": Option(
        default=0.4,
        low=0.0,
        high=8.0,
        unspecified=True,
        help="a of the distribution Beta(a, a) from which the weights of two mixed clips are drawn; 0: no mixup",
    ),
    "ema_decay": Option(
        default=0.999,
        low=0.0,
        high=0.999999,
        unspecified=True,
        help="decay of the student's moving average, which is scored; 0 scores the student itself",
    ),
}
ALONE = (
    "optimiser",
    "lr",
    "weight_decay",
    "schedule",
    "warmup_epochs",
    "label_smoothing",
    "colour_jitter",
    "erase_probability",
    "mixup_alpha",
    "model_ema_decay",
)  # the student has options of its own for these
OPTIONS: Mapping[str, Option] = {
    **JOINT_OPTIONS,
    **{
        key: replace(JOINT_OPTIONS[key], help=f"teacher, and student alone if start=student: {JOINT_OPTIONS[key].help}")
        for key in ALONE
    },
    "epochs": replace(JOINT_OPTIONS["epochs"], help="epochs of the teacher, and of the student alone if start=student"),
    "joint_epochs": replace(
        JOINT_OPTIONS["joint_epochs"], help="epochs of the student in addition to `epochs`; it is trained in one phase"
    ),
    **SOFT,
    "temperature": replace(SOFT["temperature"], unspecified=True, help="divisor of both networks' logits, as in kd"),
    **STUDENT,
}
BUDGETS = JOINT_BUDGETS  # supervised's numbers, so that the teacher is the same stage
__all__ = ["BUDGETS", "DEFAULTS", "OPTIONS"]
