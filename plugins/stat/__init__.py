"""STAT: spatial-temporal attention transfer (Bai et al., 2019; arXiv 1909.03580v3), CSTAT's predecessor."""

from collections.abc import Mapping
from dataclasses import replace

from elrbench import MethodSpec, Option, hookimpl
from elrbench_plugins.attention_transfer.options import (
    ATTENTION,
    DEPLOYS_VARIANTS,
    EXTERNAL,
    EXTERNAL_VARIANTS,
    IDEA,
    INITIAL_WEIGHTS,
    INTERNAL,
    SCHEDULE,
    UNLABELLED,
    exact_controls,
)
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS

NORM: Mapping[str, Option] = {
    "norm_p": Option(default=2.0, low=1.0, high=64.0, help="P of eq. 2 and 3"),
    "squared": Option(
        default=False,
        unspecified=True,
        help="square the norms of eq. 2 and 3, as the text says; the printed equations do not",
    ),
}
OWN: Mapping[str, Option] = {  # STAT's values, where they differ from CSTAT's
    "rolling_turns": replace(INTERNAL["rolling_turns"], default="fifths", unspecified=False, added=False),
    "freeze_bn": replace(SCHEDULE["freeze_bn"], default="all-but-first", unspecified=False, added=False),
    "joint_clip_norm": replace(SCHEDULE["joint_clip_norm"], default=20.0, added=False),
}


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method. The bare name is SAT+TAT of Table 3; the other rows are its variants."""
    return [
        MethodSpec(
            name="stat",
            summary="spatial-temporal attention transfer from a high-resolution teacher",
            citation="Bai et al., Extreme Low-Resolution Activity Recognition with Spatial-Temporal Attention "
            "Transfer, 2019 (arXiv 1909.03580v3)",
            fit="elrbench_plugins.stat.fit:fit",
            recognizer="elrbench_plugins.attention_transfer.attention:recognizer",
            recognizer_options=("tam_width", "tam_activation", "deploys"),
            options={
                **JOINT_OPTIONS,
                **EXTERNAL,
                **INTERNAL,
                **ATTENTION,
                **SCHEDULE,
                **UNLABELLED,
                **NORM,
                **OWN,
            },
            variants={
                **EXTERNAL_VARIANTS,
                "squared": {"squared": True},
                "rc": {"rolling": "stat"},
                "ut": {"unlabelled": "attention"},
                **DEPLOYS_VARIANTS,
            },
            own_controls=exact_controls("stat"),
            idea_options=(*IDEA, *NORM),
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            unlabelled={"unlabelled": ("attention", "attention+soft")},
            oracle_when={"deploys": ("teacher",)},
            no_teacher_when={"deploys": ("student",)},
            needs=("stages", "intervals"),
            check="elrbench_plugins.attention_transfer.check:check",
            unspecified=(
                "epochs of the joint phase: as many as of the first phase, with a fresh schedule",
                INITIAL_WEIGHTS,
                "phase in which batch normalisation is frozen and gradients are clipped: while attention is "
                "transferred, in the student. Its running statistics are trained by then; frozen at their initial "
                "values, they would not normalise. Teacher and student are trained alone as in CSTAT, so that both "
                "methods share these stages",
                "the clipped norm: 20, from TSN's recipe, which also freezes normalisation",
                "weight decay: none",
                "state of the teacher in the joint phase: frozen, in evaluation mode",
                "temporal attention module of the student before the joint phase: none; the student takes the mean "
                "over intervals. The joint phase adds the module",
                "Q of eq. 2: it spans one interval; the terms are averaged over intervals, then over clips",
                "whether the norms are squared: no, as eq. 2 and 3 are printed. The text squares them: variant squared",
                "block weights without rolling: equal, with sum 1 (best in Table 1)",
                "rolling weights in the last 10 of 50 epochs, after four lists of 10 epochs each: the first list "
                "again, as the two lists of the temporal part alternate. Other budgets change lists every fifth too",
                "activation in the temporal attention module: ReLU. Eq. 3 compares its second layer before softmax",
                "phase on unlabelled clips: after the student's own training and before the joint "
                "phase, of the same length as the joint phase, with its own rolling weights",
                "blur and noise of the low views: see the degradation",
            ),
        )
    ]
