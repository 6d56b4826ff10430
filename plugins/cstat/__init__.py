"""CSTAT: confident spatial-temporal attention transfer (Bai et al., arXiv 1909.03580; IJCV 2023)."""

from benchmark_core import MethodSpec, Option, hookimpl
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS

EXTERNAL = {  # eq. 4, section IV.E and IV.H
    "w_ce": Option(default=1 / 3, low=0.0, help="W_ce of eq. 4 (Table I's best: a third each)"),
    "w_sat": Option(default=1 / 3, low=0.0, help="W_sat of eq. 4"),
    "w_tat": Option(default=1 / 3, low=0.0, help="W_tat of eq. 4"),
}
INTERNAL = {
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
}
ATTENTION = {
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
CONFIDENCE = {
    "confidence": Option(default="none", choices=("none", "mlp"), help="how information loss is measured"),
    "confidence_threshold": Option(
        default=0.5, low=0.0, high=1.0, unspecified=True, help="confidence from which on an area takes part"
    ),
    "confidence_width": Option(
        default=16, low=1, unspecified=True, help="filters of the extractor's first 3x3 convolution; the second has one"
    ),
    "confidence_normalise": Option(
        default="median",
        choices=("median", "min-max"),
        unspecified=True,
        help="how a difference becomes a loss in [0, 1]: a sigmoid about the interval's median, which cannot collapse, "
        "or min-max",
    ),
}


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """One method; the paper's rows are variants of it."""
    return [
        MethodSpec(
            name="cstat",
            summary="confident spatial-temporal attention transfer from a high-resolution teacher",
            citation="Bai et al., Extreme Low-Resolution Activity Recognition with Confident Spatial-Temporal "
            "Attention Transfer, IJCV 2023 (arXiv 1909.03580)",
            fit="elrbench_plugins.cstat.fit:fit",
            recognizer="elrbench_plugins.cstat.attention:recognizer",
            recognizer_options=("tam_width", "tam_activation"),
            options={**JOINT_OPTIONS, **EXTERNAL, **INTERNAL, **ATTENTION, **CONFIDENCE},
            variants={  # Table IV
                "sat": {"w_ce": 0.5, "w_sat": 0.5, "w_tat": 0.0},
                "tat": {"w_ce": 0.5, "w_sat": 0.0, "w_tat": 0.5},
                "stat": {"w_ce": 1 / 3, "w_sat": 1 / 3, "w_tat": 1 / 3},
                "mlp": {"confidence": "mlp"},
                "rc": {"rolling": "cstat-per-stage"},
            },
            default_variants=("mlp", "rc"),
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
            needs_high=True,
            needs_stages=True,
            fixed_intervals=True,
            unspecified=(
                "epochs of the joint phase: as many as of the first, with the same schedule started afresh",
                "weight decay and gradient clipping: none",
                "whether the T-Net stands still in the joint phase: it does, in evaluation mode",
                "whether the S-Net alone has a temporal attention module: no, it takes the mean over intervals "
                "(its interval weights are all equal in Fig. 9); the module joins it in the joint phase",
                "what Q of eq. 2 spans: one interval; then the mean over intervals and clips",
                "the norm P = 2 of eq. 2 and 3, taken of one number: its magnitude",
                "internal weights where they do not roll: equal, summing to 1 (Table I's best)",
                "eq. 5's divisor: over blocks, so that a stage's weights sum to 1; training is cut into equal stages",
                "activation between the temporal attention module's layers: ReLU; its second layer is compared "
                "before softmax",
                "the extractor's width and activation: 3 -> 16 -> 1 with ReLU; its input: both images as the backbones "
                "see them, in [0, 1]; trained with the student by the same optimiser",
                "normalisation of the information loss: a sigmoid about each interval's median, in units of the mean "
                "absolute deviation from it",
                "the confidence threshold: 0.5, straight-through in training, before averaging down to a stage's size",
                "the temporal confidence: mean confidence within the area at or above the threshold, not trained",
                "blur and noise of the low view: see the degradation",
            ),
        )
    ]
