"""CSTAT: confident spatial-temporal attention transfer (Bai et al., arXiv 1909.03580; IJCV 2023)."""

from benchmark_core import MethodSpec, hookimpl
from elrbench_plugins.attention_transfer.options import (
    ATTENTION,
    DEPLOYS_VARIANTS,
    EXTERNAL,
    EXTERNAL_VARIANTS,
    INTERNAL,
    SCHEDULE,
    UNLABELLED,
)
from elrbench_plugins.cstat.options import CONFIDENCE
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS


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
            recognizer="elrbench_plugins.attention_transfer.attention:recognizer",
            recognizer_options=("tam_width", "tam_activation", "deploys"),
            options={
                **JOINT_OPTIONS,
                **EXTERNAL,
                **INTERNAL,
                **ATTENTION,
                **CONFIDENCE,
                **SCHEDULE,
                **UNLABELLED,
            },
            variants={  # Tables III and IV
                **EXTERNAL_VARIANTS,
                "stat": {"w_ce": 1 / 3, "w_sat": 1 / 3, "w_tat": 1 / 3},
                "difference": {"confidence": "difference", "confidence_normalise": "max"},
                "gradient": {"confidence": "gradient", "confidence_normalise": "max"},
                "mlp": {"confidence": "mlp"},
                "rc": {"rolling": "cstat-per-stage"},
                "ut": {"unlabelled": "attention+soft"},
                **DEPLOYS_VARIANTS,
            },
            default_variants=("mlp", "rc"),
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
                "normalisation of the information loss: of the extractor's, a sigmoid about each interval's median, in "
                "units of the mean absolute deviation from it; of a difference of brightness or of gradients, the "
                "share of the interval's largest",
                "whether a confidence map is binary (section III.C.1) or scales attention (III.C.2): it scales, from "
                "the threshold on",
                "the confidence threshold: 0.5, straight-through in training, before averaging down to a stage's size",
                "the temporal confidence: mean confidence within the area at or above the threshold, not trained",
                "brightness: BT.601; of flow, its length; the difference of less than 24 grey levels that is none: of "
                "the difference-based map alone, before it is normalised",
                "the gradient-based map: a Gaussian of 1 pixel over the image, then Sobel's magnitude, then the "
                "dilations, then the difference; the ten dilations are 3x3, OpenCV's default, in pixels of a view 256 "
                "high: they and the blur scale with the view's height, to windows of 3x3 or more",
                "the phase on clips without labels: between the S-Net's own training and the joint phase, as long as "
                "the joint phase, its weights rolling over its own length and its confidence map its own; the soft "
                "label has W_ce's weight and temperature 4",
                "blur and noise of the low view: see the degradation",
            ),
        )
    ]
