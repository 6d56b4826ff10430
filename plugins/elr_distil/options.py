"""Options, variants and budgets of elr-distil. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.plans.named_recipes import NAMED_RECIPES
from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.supervised.budgets import JOINT_OPTIONS, SMALL

FINER = 2  # optical flow of high views is computed at this multiple of the low size

TRANSFORMS: Mapping[str, Option] = {
    "transforms": Option(
        default=0.0,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="share of clips whose low view is made in training, from a transformed high view; the other clips have "
        "their stored low view",
    ),
    "transform_shift": Option(
        default=1.0, low=0.0, high=64.0, unspecified=True, help="largest shift along each axis, low pixels"
    ),
    "transform_scale": Option(
        default=1.25, low=1.0, high=4.0, unspecified=True, help="s: scales are between 1/s and s"
    ),
    "transform_angle": Option(default=8.0, low=0.0, high=90.0, unspecified=True, help="largest rotation, degrees"),
    "transform_drift": Option(
        default=0.0,
        low=0.0,
        high=64.0,
        unspecified=True,
        help="largest change of the shift from the first to the last frame, low pixels: a moving camera",
    ),
}
SOFT: Mapping[str, Option] = {
    "teachers": Option(
        default="appearance",
        choices=("appearance", "motion", "both"),
        unspecified=True,
        help="networks on high views, trained if alpha or map_weight is above 0. appearance: the plan's teacher; "
        "motion: the student's backbone on optical flow",
    ),
    "teacher_layers": Option(
        default="all",
        choices=("all", "classifier"),
        unspecified=True,
        help="layers of the appearance teacher that are trained; classifier: the others keep their initial weights",
    ),
    "motion_share": Option(
        default=0.5, low=0.0, high=1.0, unspecified=True, help="weight of the motion teacher's logits if there are two"
    ),
    "alpha": Option(
        default=0.0,
        low=0.0,
        high=1.0,
        unspecified=True,
        help="weight of the soft-label loss; the task loss has weight 1 - alpha",
    ),
    "temperature": Option(default=4.0, low=0.1, unspecified=True, help="divisor of both networks' logits"),
}
MAP: Mapping[str, Option] = {
    "map_weight": Option(default=0.0, low=0.0, help="weight of the distance of the last maps; ResKD: 100"),
    "map_teacher": Option(
        default="appearance", choices=("appearance", "motion"), unspecified=True, help="network whose map is the target"
    ),
    "map_teacher_norms": Option(
        default="running",
        choices=("running", "batch"),
        unspecified=True,
        help="statistics of the teacher's batch normalisation; ResKD's code: of the batch",
    ),
}
MOTION: Mapping[str, Option] = {
    "motion_weight": Option(
        default=0.0, low=0.0, unspecified=True, help="weight of the loss of the predicted optical flow of the high view"
    ),
    "motion_stage": Option(
        default=2, low=1, high=8, unspecified=True, help="number of the stage map that predicts the flow, from 1"
    ),
}
PRETEXT: Mapping[str, Option] = {
    "pretext": Option(
        default="none",
        choices=("none", "order", "speed", "masked", "all"),
        unspecified=True,
        help="self-supervised task of the student before it sees labels; all: the three tasks in turn, batch by batch",
    ),
    "pretext_epochs": Option(
        default=20,
        low=1,
        unspecified=True,
        help="epochs of the pretext task; they are part of joint_epochs, so that a run without it trains as long",
    ),
    "pretext_clips": Option(
        default="train",
        choices=("train", "unlabelled"),
        unspecified=True,
        help="clips of the pretext task: the training clips, or those of --unlabelled",
    ),
    "masked_share": Option(
        default=0.6, low=0.05, high=0.95, unspecified=True, help="share of space-time blocks that are hidden"
    ),
    "masked_frames": Option(default=4, low=1, unspecified=True, help="frames of a hidden block"),
    "masked_pixels": Option(default=4, low=1, unspecified=True, help="rows and columns of a hidden block"),
}
IDEAS: Mapping[str, Option] = {**TRANSFORMS, **SOFT, **MAP, **MOTION, **PRETEXT}
OPTIONS: Mapping[str, Option] = {
    **JOINT_OPTIONS,
    "epochs": replace(JOINT_OPTIONS["epochs"], help="epochs of the teachers"),
    "joint_epochs": replace(JOINT_OPTIONS["joint_epochs"], help="epochs of the student"),
    **IDEAS,
}


def uses_teachers(options: Mapping[str, Value]) -> bool:
    """Return whether a loss compares the student with a teacher."""
    return float(options["alpha"]) > 0 or float(options["map_weight"]) > 0


VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "plain": {},
    "transforms": {"transforms": 0.75},
    "soft": {"alpha": 0.5},
    "two-teachers": {"teachers": "both", "alpha": 0.5},
    "map": {"map_weight": 100.0},
    "motion": {"motion_weight": 1.0},
    "order": {"pretext": "order"},
    "speed": {"pretext": "speed"},
    "masked": {"pretext": "masked"},
    "pretext": {"pretext": "all"},
}
# The recipe is `modern`, for teachers and student. A native backbone has enhancer none and the low size instead of
# these. The teacher's network is that of supervised's budgets.
DEFAULTS: Mapping[str, Value] = {
    "backbone": "native3d-s",
    "enhancer": "bilinear",
    "size": "96x128",
    "sampling": "clip-24",
    "modality": "rgb+dev+flow-early",
    "teacher_backbone": "resnet18",
    "teacher_size": "96x128",
}
_SMALL: Mapping[str, Value] = {
    **{key: value for key, value in SMALL.items() if key.startswith("method.")},
    **{f"method.{key}": value for key, value in NAMED_RECIPES["modern"].items()},
    **DEFAULTS,
    "precision": "fp32",
    "method.joint_epochs": 60,
}
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": {**_SMALL, "method.epochs": 30, "method.joint_epochs": 200, "method.pretext_epochs": 60},
    "small": _SMALL,
    "smoke": {
        **_SMALL,
        "size": "48x64",
        "sampling": "clip-8",
        "teacher_size": "48x64",
        "method.epochs": 2,
        "method.joint_epochs": 4,
        "method.pretext_epochs": 2,
    },
}
