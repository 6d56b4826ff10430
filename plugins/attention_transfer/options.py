"""Options of attention transfer that STAT and CSTAT share. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from elrbench import Option

EXTERNAL: Mapping[str, Option] = {  # eq. 4, section IV.E and IV.H
    "w_ce": Option(default=1 / 3, low=0.0, help="W_ce of eq. 4 (Table I's best: a third each)"),
    "w_sat": Option(default=1 / 3, low=0.0, help="W_sat of eq. 4"),
    "w_tat": Option(default=1 / 3, low=0.0, help="W_tat of eq. 4"),
}
# "sat" and "tat": first rows of STAT's Table 3 and CSTAT's Table IV. The others are in no table: the same training
# without attention loss. With SGD, the weight of the label loss scales the learning rate, so the exact control of a row
# has the row's W_ce: 1/3, or 1/2 for "sat" and "tat". "ce" has weight 1, as supervised:matched; its gain over that
# control comes from the rest, e.g. STAT's frozen normalisation and gradient clipping.
EXTERNAL_VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "ce": {"w_ce": 1.0, "w_sat": 0.0, "w_tat": 0.0},
    "ce-third": {"w_ce": 1 / 3, "w_sat": 0.0, "w_tat": 0.0},
    "ce-half": {"w_ce": 0.5, "w_sat": 0.0, "w_tat": 0.0},
    "sat": {"w_ce": 0.5, "w_sat": 0.5, "w_tat": 0.0},
    "tat": {"w_ce": 0.5, "w_sat": 0.0, "w_tat": 0.5},
}


# Options of the transfer. They have no effect if w_sat and w_tat are 0.
IDEA: tuple[str, ...] = ("w_sat", "w_tat", "rolling", "inner", "rolling_turns", "over_time", "tat_after_softmax")


def exact_controls(method: str) -> Mapping[str, str]:
    """Return the controls of `method`'s rows, by variant: label loss only, with the row's W_ce.

    `ce` has W_ce = 1 and no attention, so it is compared with the control of all methods that has both.
    """
    half = f"{method}:ce-half"
    return {"sat": half, "tat": half, "ce": "supervised:matched", "": f"{method}:ce-third"}


# Section 3.1.3 of STAT: it is initialised from ImageNet or Kinetics. CSTAT prints STAT's teachers. Updates: 9,537 clips
# of UCF101 or 3,570 of HMDB51, batches of 256, 50 epochs.
INITIAL_WEIGHTS = (
    "initial weights: STAT starts from ImageNet or Kinetics weights, and both papers say that low-resolution networks "
    "cannot use them; CSTAT prints the same teachers (78.82 and 90.56 %). The paper's 50 epochs are 1,900 updates on "
    "UCF101 and 700 on HMDB51, too few to reach these teachers from scratch. Here: from scratch unless --weights FILE "
    "names a checkpoint, from which teacher and student start: torchvision's ResNet-34 (ImageNet) for resnet34, "
    "mmaction2's R(2+1)D-34 (Kinetics-400) for r2plus1d-34, torchvision's R(2+1)D-18 (Kinetics-400) for "
    "r2plus1d-18-tv. For r2plus1d-18, in the layout that CSTAT counted, mmaction2 publishes no file. To let only the "
    "teacher start from it, run variant teacher with --weights FILE, and pass its run folder with --teacher"
)
INTERNAL: Mapping[str, Option] = {
    "rolling": Option(
        default="none",
        choices=("none", "cstat-per-stage", "cstat-printed", "stat"),
        unspecified=True,
        help="block weights over training. none: fixed; cstat-per-stage: eq. 5, the weights of each period of "
        "training sum to 1 (variant rc of cstat); cstat-printed: eq. 5 with the printed divisor; stat: STAT's lists",
    ),
    "inner": Option(
        default="equal",
        choices=("equal", "doubling", "last"),
        help="fixed block weights if rolling=none (Table I): 1/4-1/4-1/4-1/4, 1/15-2/15-4/15-8/15 or 0-0-0-1",
    ),
    "rolling_turns": Option(
        default="once",
        choices=("once", "fifths"),
        unspecified=True,
        added=True,
        help="when rolling weights change. once: training is divided into as many equal periods as there are blocks; "
        "fifths: every fifth of the training (10 of 50 epochs), in a cycle",
    ),
}
ATTENTION: Mapping[str, Option] = {
    "over_time": Option(
        default="keep",
        choices=("keep", "mean"),
        unspecified=True,
        help="time axis of a 3D backbone's attention maps. keep: time steps count as positions; mean: average over "
        "time",
    ),
    "tam_width": Option(default=64, low=1, help="width of the temporal attention module's first layer"),
    "tam_activation": Option(
        default="relu", choices=("relu", "none"), unspecified=True, help="activation between the module's two layers"
    ),
    "tam_start": Option(
        default="uniform",
        choices=("uniform", "default"),
        unspecified=True,
        help="the module's initial weights. uniform: equal weights of all intervals, as in the student's own training; "
        "default: PyTorch's initialisation",
    ),
    "tat_after_softmax": Option(
        default=False, unspecified=True, help="compare the module's second layer after its softmax instead of before"
    ),
}
SCHEDULE: Mapping[str, Option] = {
    "freeze_bn": Option(
        default="none",
        choices=("none", "all-but-first"),
        unspecified=True,
        added=True,
        help="batch normalisation layers of the student to freeze (scale, shift and statistics) while attention is "
        "transferred; none is frozen while teacher and student are trained alone",
    ),
    "joint_clip_norm": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        added=True,
        help="largest gradient norm while attention is transferred; 0 uses clip_norm",
    ),
    "deploys": Option(
        default="joint",
        choices=("joint", "teacher", "student"),
        added=True,
        help="network to score. joint: the student after the joint phase; teacher: the teacher on high views (oracle); "
        "student: the student before the joint phase",
    ),
}
DEPLOYS_VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "teacher": {"deploys": "teacher"},
    "student": {"deploys": "student"},
}
UNLABELLED: Mapping[str, Option] = {
    "unlabelled": Option(
        default="none",
        choices=("none", "attention", "attention+soft"),
        added=True,
        help="what the student learns from unlabelled clips before the joint phase. attention: the teacher's attention "
        "(STAT); attention+soft: also the teacher's soft label, weighted by W_ce (CSTAT)",
    ),
    "unlabelled_epochs": Option(
        default=0,
        low=0,
        unspecified=True,
        added=True,
        help="epochs on the unlabelled clips, with a fresh schedule; 0 uses joint_epochs",
    ),
    "soft_temperature": Option(
        default=4.0, low=0.1, unspecified=True, added=True, help="temperature of the soft label"
    ),
}
