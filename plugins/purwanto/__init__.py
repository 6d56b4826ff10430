"""Purwanto et al., ICCV Workshops 2019: super-resolution, distillation and spatial-temporal self-attention."""

from benchmark_core import MethodSpec, hookimpl
from elrbench_plugins.purwanto.options import (
    ATTENTION_BUDGETS,
    ATTENTION_OPTIONS,
    DEFAULTS,
    HEAD_VARIANTS,
    SHAPE,
    SUPER_RESOLUTION,
    SYSTEM_BUDGETS,
    SYSTEM_OPTIONS,
)

CITATION = (
    "Purwanto et al., Extreme Low Resolution Action Recognition with Spatial-Temporal Multi-Head Self-Attention and "
    "Knowledge Distillation, ICCV Workshops 2019"
)
HEAD = (
    "the 1x3x5 kernel: one convolution with bias over the axes of V_A, which are heads, time and flattened position; "
    "it keeps the size and is one over heads; positions are flattened row by row",
    "dim of eq. 2: a head's width, F/D. The equation has no softmax, and its sum grows with the number of positions: "
    "clips of more chunks have larger values; with attention=mean and variant softmax they have not",
    "B1, B2, B3: without bias, as Vaswani et al.'s, and shared by the heads, as the equation prints them",
    "where ReLU is (Table 1): behind the convolution",
    "the classifier of N_s x (W·H·F), where N_s differs from clip to clip: one layer for every time step and the mean "
    "of its logits",
    "dropout, 0.9 'as' Vaswani et al., who drop 0.1: 0.1, where they have it, on the attention's term before the "
    "residual is added (variant literal: 0.9)",
    "augmentation of features: none, each clip's are made once, of its whole view and all its chunks; the backbone "
    "stands still",
    "batch, schedule and weight decay of the attention network: 16 clips; the rest is the backbone's, none",
    "a clip that is no multiple of 64 frames long: its last chunk repeats its last frame",
    "the backbone's training: a chunk from anywhere in the clip, batch 16, no schedule and no weight decay; it starts "
    "from scratch unless --weights FILE names the paper's Kinetics and ImageNet initialisation",
    "network size: 224x224, to which the whole view is brought, in testing and, but for jitter, in training; I3D's own "
    "crop of 256 pixels would leave out a quarter of the view",
    "blur and noise of the low view: the paper names neither, and --degradation average-12x16:clean has none",
)


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """The attention network on any backbone, and the whole system, Table 2's rows as variants."""
    return [
        MethodSpec(
            name="st-mhsa",
            summary="spatial-temporal multi-head self-attention over the features of all of a clip's chunks",
            citation=CITATION,
            fit="elrbench_plugins.purwanto.fit:fit_attention",
            recognizer="elrbench_plugins.purwanto.attention:recognizer",
            recognizer_options=tuple(key for key in SHAPE if key != "dropout"),
            options=ATTENTION_OPTIONS,
            variants=HEAD_VARIANTS,
            defaults=DEFAULTS,
            budgets=ATTENTION_BUDGETS,
            check="elrbench_plugins.purwanto.check:check_attention",
            unspecified=HEAD,
        ),
        MethodSpec(
            name="purwanto",
            summary="super-resolution, distillation and attention over all of a clip's chunks, on two streams",
            citation=CITATION,
            fit="elrbench_plugins.purwanto.fit:fit_system",
            recognizer="elrbench_plugins.purwanto.attention:system",
            recognizer_options=("sa", *(key for key in SHAPE if key != "dropout")),
            options=SYSTEM_OPTIONS,
            variants={  # Table 2; the bare name is its last row
                "two-stream": {},
                "sr": SUPER_RESOLUTION,
                "kd": {"kd": True},
                "sa": {"sa": True},
                **{name: {"sa": True, **numbers} for name, numbers in HEAD_VARIANTS.items()},
            },
            default_variants=("sr", "kd", "sa"),
            defaults=DEFAULTS,
            budgets=SYSTEM_BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            check="elrbench_plugins.purwanto.check:check_system",
            unspecified=(
                "the super-resolution's scale and network: D-DBPN by 8, 12x16 to 96x128, brought to the network's size "
                "bicubically, fitted to the training clips; the paper's weights and data are not said. The smaller "
                "budgets have dbpn-s by 4",
                "how low views are enlarged without super-resolution: bicubically",
                "of what optical flow is calculated: of low frames enlarged bicubically, in all rows alike, of the "
                "teacher's high ones as they are. 'Two-stream I3D using SR videos' (section 3.2) may mean flow of "
                "super-resolved frames, which is not done here",
                "by which algorithm: dense inverse search, or TV-L1 with --modality rgb+flow:tvl1",
                "weights of distillation: see kd; the student starts afresh, and learns as long as without a teacher",
                "late fusion: the mean of the streams' probabilities",
                *HEAD,
            ),
        ),
    ]
