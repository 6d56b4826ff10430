"""Purwanto et al., ICCV Workshops 2019: super-resolution, distillation and spatial-temporal self-attention."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.purwanto.options import (
    ATTENTION_BUDGETS,
    ATTENTION_CONTROLS,
    ATTENTION_ONLY,
    ATTENTION_OPTIONS,
    DEFAULTS,
    HEAD_VARIANTS,
    SHAPE,
    SUPER_RESOLUTION,
    SYSTEM_BUDGETS,
    SYSTEM_CONTROLS,
    SYSTEM_OPTIONS,
)

CITATION = (
    "Purwanto et al., Extreme Low Resolution Action Recognition with Spatial-Temporal Multi-Head Self-Attention and "
    "Knowledge Distillation, ICCV Workshops 2019"
)
HEAD = (
    "the 1x3x5 kernel: one convolution with bias over the axes of V_A: heads, time and flattened position. It keeps "
    "the size, and is 1 wide over heads. Positions are flattened row by row",
    "dim of eq. 2: a head's width, F/D. Eq. 2 has no softmax, so its sum grows with the number of positions, and "
    "longer clips have larger values. attention=mean and variant softmax avoid this",
    "B1, B2, B3: without bias, as in Vaswani et al., and shared by the heads, as eq. 2 prints them",
    "place of the ReLU (Table 1): after the convolution",
    "the classifier of N_s x (W*H*F), where N_s differs between clips: one layer applied to each time step, and the "
    "mean of its logits",
    "dropout: 0.1. The paper prints 0.9 and cites Vaswani et al., who use 0.1. It is applied where they apply it, to "
    "the attention term before the residual is added (variant literal: 0.9)",
    "augmentation of features: none. Features are computed once per clip, from the whole view and all chunks, by a "
    "frozen backbone",
    "batch, schedule and weight decay of the attention network: 16 clips, the backbone's schedule and weight "
    "decay, which is none at the paper's budget",
    "clip lengths that are not a multiple of 64 frames: the last chunk repeats the last frame",
    "training of the backbone: a random chunk of each clip, batch 16, no schedule, no weight decay, from scratch "
    "unless --weights FILE names the paper's Kinetics and ImageNet weights",
    "network size: 224x224, to which the whole view is resized in testing and, with jitter, in training. I3D's own "
    "crop from 256 pixels would remove a quarter of the view",
    "blur and noise of the low views: the paper names neither; --degradation average-12x16:clean has none",
)


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer the attention network on any backbone, and the whole system with the rows of Table 2 as variants."""
    return [
        MethodSpec(
            name="st-mhsa",
            summary="spatial-temporal multi-head self-attention over the features of all chunks of a clip",
            citation=CITATION,
            fit="elrbench_plugins.purwanto.fit:fit_attention",
            recognizer="elrbench_plugins.purwanto.attention:recognizer",
            recognizer_options=tuple(key for key in SHAPE if key != "dropout"),
            options=ATTENTION_OPTIONS,
            variants=HEAD_VARIANTS,
            own_controls=ATTENTION_CONTROLS,
            idea_options=ATTENTION_ONLY,
            defaults=DEFAULTS,
            budgets=ATTENTION_BUDGETS,
            check="elrbench_plugins.purwanto.check:check_attention",
            unspecified=HEAD,
        ),
        MethodSpec(
            name="purwanto",
            summary="super-resolution, distillation and attention over all chunks of a clip, on two streams",
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
            own_controls=SYSTEM_CONTROLS,
            idea_options=ATTENTION_ONLY,
            defaults=DEFAULTS,
            budgets=SYSTEM_BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            no_teacher_when={"kd": (False,)},
            check="elrbench_plugins.purwanto.check:check_system",
            unspecified=(
                "scale and network of the super-resolution: D-DBPN by 8, 12x16 to 96x128, then resized bicubically to "
                "network size, trained on the training clips. The paper names no weights and no data. The smaller "
                "budgets use dbpn-s by 4",
                "enlargement of low views without super-resolution: bicubic",
                "input of optical flow: low frames enlarged bicubically, in all rows; the teacher's high frames as "
                "they are. 'Two-stream I3D using SR videos' (section 3.2) may mean flow of super-resolved frames, "
                "which is not done here",
                "flow algorithm: dense inverse search (DIS); TV-L1 with --modality rgb+flow:tvl1",
                "weights of distillation: see kd. The student starts from the backbone's initialisation and is trained "
                "as long as without a teacher",
                "late fusion: the mean of the streams' probabilities",
                *HEAD,
            ),
        ),
    ]
