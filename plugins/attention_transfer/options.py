"""The numbers of attention transfer, shared by STAT and CSTAT. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core import Option
from benchmark_core.specs import Value

EXTERNAL: Mapping[str, Option] = {  # eq. 4, section IV.E and IV.H
    "w_ce": Option(default=1 / 3, low=0.0, help="W_ce of eq. 4 (Table I's best: a third each)"),
    "w_sat": Option(default=1 / 3, low=0.0, help="W_sat of eq. 4"),
    "w_tat": Option(default=1 / 3, low=0.0, help="W_tat of eq. 4"),
}
# The first rows of STAT's Table 3 and of CSTAT's Table IV; and, in no table, the same recipe without what it is for:
# what of a gain over supervised:matched is not attention's but, say, of STAT's frozen norms and clipped gradients.
EXTERNAL_VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "ce": {"w_ce": 1.0, "w_sat": 0.0, "w_tat": 0.0},
    "sat": {"w_ce": 0.5, "w_sat": 0.5, "w_tat": 0.0},
    "tat": {"w_ce": 0.5, "w_sat": 0.0, "w_tat": 0.5},
}
INTERNAL: Mapping[str, Option] = {
    "rolling": Option(
        default="none",
        choices=("none", "cstat-per-stage", "cstat-printed", "stat"),
        unspecified=True,
        help="weights of the blocks over training: fixed; eq. 5 with each stage's weights summing to 1 (what rc stands "
        "for); eq. 5 with the divisor as printed; or STAT's list",
    ),
    "inner": Option(
        default="equal",
        choices=("equal", "doubling", "last"),
        help="fixed weights of the blocks where rolling is none, as in Table I: 1/4-1/4-1/4-1/4, 1/15-2/15-4/15-8/15, "
        "0-0-0-1",
    ),
    "rolling_turns": Option(
        default="once",
        choices=("once", "fifths"),
        unspecified=True,
        added=True,
        help="when rolling weights change: training cut into as many equal stages as there are blocks, or a new list "
        "every fifth of it (10 of 50 epochs), the first again after the last",
    ),
}
ATTENTION: Mapping[str, Option] = {
    "over_time": Option(
        default="keep",
        choices=("keep", "mean"),
        unspecified=True,
        help="time axis of a 3D backbone's attention maps: part of the positions, or averaged away",
    ),
    "tam_width": Option(default=64, low=1, help="width of the temporal attention module's first layer"),
    "tam_activation": Option(
        default="relu", choices=("relu", "none"), unspecified=True, help="activation between the module's two layers"
    ),
    "tam_start": Option(
        default="uniform",
        choices=("uniform", "default"),
        unspecified=True,
        help="the module's initial weights: all intervals alike (the mean that the student was trained with), or "
        "PyTorch's draw",
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
        help="the S-Net's batch normalisations that stand still where attention is transferred, scale, shift and "
        "statistics; the networks' own training before it has none frozen",
    ),
    "joint_clip_norm": Option(
        default=0.0,
        low=0.0,
        unspecified=True,
        added=True,
        help="largest gradient norm where attention is transferred; 0 is clip_norm's",
    ),
    "deploys": Option(
        default="joint",
        choices=("joint", "teacher", "student"),
        added=True,
        help="what is scored: the S-Net after the joint phase; the T-Net on high views, a ceiling; the S-Net alone",
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
        help="what the S-Net learns from a pool of clips without labels before the joint phase: nothing; the teacher's "
        "attention (STAT); or that and its soft label, which has W_ce's weight (CSTAT)",
    ),
    "unlabelled_epochs": Option(
        default=0,
        low=0,
        unspecified=True,
        added=True,
        help="passes over the pool, with the schedule started afresh; 0 is joint_epochs'",
    ),
    "soft_temperature": Option(
        default=4.0, low=0.1, unspecified=True, added=True, help="divides the logits of a soft label"
    ),
}
