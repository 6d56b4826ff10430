"""CSTAT: confident spatial-temporal attention transfer (Bai et al., arXiv 1909.03580; IJCV 2023)."""

from elrbench import MethodSpec, hookimpl
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
from elrbench_plugins.cstat.options import CONFIDENCE
from elrbench_plugins.supervised.budgets import DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method; the rows of the paper's Tables III and IV are its variants."""
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
            own_controls=exact_controls("cstat"),
            idea_options=(*IDEA, *CONFIDENCE),
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            unlabelled={"unlabelled": ("attention", "attention+soft")},
            oracle_when={"deploys": ("teacher",)},
            no_teacher_when={"deploys": ("student",)},
            needs=("stages", "intervals"),
            check="elrbench_plugins.cstat.check:check",
            unspecified=(
                "epochs of the joint phase: as many as of the first phase, with a fresh schedule",
                INITIAL_WEIGHTS,
                "weight decay and gradient clipping: none",
                "state of the teacher in the joint phase: frozen, in evaluation mode",
                "temporal attention module of the student before the joint phase: none; the student takes the mean "
                "over intervals (in Fig. 9 its interval weights are all equal). The joint phase adds the module",
                "Q of eq. 2: it spans one interval; the terms are averaged over intervals, then over clips",
                "the norm P = 2 of eq. 2 and 3: its argument is one number, so the norm is the absolute value",
                "block weights without rolling: equal, with sum 1 (best in Table I)",
                "divisor of eq. 5: the sum over blocks, so that the weights of each period of training (the paper's "
                "stage) sum to 1; periods of equal length",
                "activation in the temporal attention module: ReLU. Eq. 3 compares its second layer before softmax",
                "the MLP extractor: channels 3 -> 16 -> 1 with ReLU. Its input is both images as the backbones get "
                "them, in [0, 1]. It is trained by the student's optimizer. 'K = 3 filters' is read as kernels of 3x3; "
                "confidence_width=3 and confidence_outputs=3 give three filters in each layer",
                "loss that trains the MLP: section IV.G names 'the supervision from the final classification' and no "
                "path from it to the MLP. Default: the transfer loss (eq. 2), so that the map cannot learn which areas "
                "help to classify. confidence_loss=classification: in training, a second cross-entropy is computed "
                "from the student's last stage map A, weighted by C as A * C / mean(C), and trains the MLP only. The "
                "deployed model has no high view and therefore no C",
                "normalisation of the information loss. MLP: sigmoid around the interval's median, in units of the "
                "mean absolute deviation. It cannot say that nothing or everything was lost: equal images have "
                "confidence 1/2, and half of the pixels always take part. Difference and gradient: divided by the "
                "interval's largest value, which cannot tell a slight loss from a total one. "
                "confidence_normalise=absolute can say both",
                "confidence map, binary in section III.C.1 and scaling in III.C.2: it scales attention where it "
                "reaches the threshold, and sets it to 0 elsewhere. confidence_binary=true weights by 1 instead, and "
                "cannot rank the areas that take part",
                "confidence threshold: 0.5, straight-through in training, applied before the map is averaged down to "
                "the size of a stage map",
                "temporal confidence: mean confidence in the area that reaches the threshold; it has no gradient. It "
                "is at least the threshold and therefore cannot rule out a video. confidence_score=ratio is the "
                "printed ratio of pixels without loss; confidence_score=area is the size of the area. The printed "
                "ratio of a binary map is always 1, so that the score uses the map before it becomes binary",
                "grey level: BT.601; of optical flow, the length of the vector. Differences under 24 grey levels are "
                "set to 0 in the difference-based map only, before normalisation",
                "gradient-based map: Gaussian blur of 1 pixel on the image, Sobel magnitude, dilations, then the "
                "difference. The ten dilations are 3x3, OpenCV's default. Sizes are for a height of 256 and scale with "
                "the height; the smallest window is 3x3",
                "phase on unlabelled clips: after the student's own training and before the joint phase, of the same "
                "length as the joint phase. It has its own rolling weights and confidence map. The soft label is "
                "weighted by W_ce and has temperature 4",
                "blur and noise of the low views: see the degradation",
            ),
        )
    ]
