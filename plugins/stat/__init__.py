"""STAT: spatial-temporal attention transfer (Bai et al., 2019; arXiv 1909.03580v3), CSTAT's predecessor."""

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core import MethodSpec, Option, hookimpl
from elrbench_plugins.attention_transfer.options import (
    ATTENTION,
    DEPLOYS_VARIANTS,
    EXTERNAL,
    EXTERNAL_VARIANTS,
    INTERNAL,
    SCHEDULE,
    UNLABELLED,
)
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS

NORM: Mapping[str, Option] = {
    "norm_p": Option(default=2.0, low=1.0, high=64.0, help="P of eq. 2 and 3"),
    "squared": Option(
        default=False,
        unspecified=True,
        help="square the norms of eq. 2 and 3, as the text says and the equations do not",
    ),
}
OWN: Mapping[str, Option] = {  # where STAT's numbers are not CSTAT's
    "rolling_turns": replace(INTERNAL["rolling_turns"], default="fifths", unspecified=False, added=False),
    "freeze_bn": replace(SCHEDULE["freeze_bn"], default="all-but-first", unspecified=False, added=False),
    "joint_clip_norm": replace(SCHEDULE["joint_clip_norm"], default=20.0, added=False),
}


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """One method; the bare name is SAT+TAT of Table 3, and the other rows are variants of it."""
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
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            unlabelled={"unlabelled": ("attention", "attention+soft")},
            oracle_when={"deploys": ("teacher",)},
            needs_stages=True,
            check="elrbench_plugins.attention_transfer.check:check",
            fixed_intervals=True,
            unspecified=(
                "epochs of the joint phase: as many as of the first, with the same schedule started afresh",
                "initial weights: the paper starts from ImageNet's or Kinetics', and says elsewhere that networks of "
                "low resolution cannot; here the backbone's own by default, from scratch where it has none",
                "where batch normalisation is frozen and gradients are clipped: where attention is transferred, of the "
                "S-Net, whose statistics are trained by then; frozen from scratch on they would normalise nothing. The "
                "networks' own training before it is CSTAT's, and its stages are shared",
                "the clipped norm: 20, that of TSN's recipe, from which the frozen normalisation is",
                "weight decay: none",
                "whether the T-Net stands still in the joint phase: it does, in evaluation mode",
                "whether the S-Net alone has a temporal attention module: no, it takes the mean over intervals; the "
                "module joins it in the joint phase",
                "what Q of eq. 2 spans: one interval; then the mean over intervals and clips",
                "whether the norms are squared: as eq. 2 and 3 are printed, no; the text squares them: variant squared",
                "internal weights where they do not roll: equal, summing to 1 (Table 1's best)",
                "what follows the four lists of rolling weights, 10 epochs each, in the last 10 of 50: the first "
                "again, as the two of the temporal part change places; other budgets keep the fifths",
                "activation between the temporal attention module's layers: ReLU; its second layer is compared "
                "before softmax",
                "the phase on clips without labels: between the S-Net's own training and the joint phase, as long as "
                "the joint phase, its weights rolling over its own length",
                "blur and noise of the low view: see the degradation",
            ),
        )
    ]
