"""Options and budgets of st-mhsa and purwanto. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench import Option
from elrbench_plugins.kd.budgets import DEFAULTS as KD_DEFAULTS
from elrbench_plugins.kd.budgets import OPTIONS as KD_OPTIONS
from elrbench_plugins.supervised.budgets import JOINT_BUDGETS

SHAPE: Mapping[str, Option] = {  # structure of the head
    "heads": Option(
        default=8, low=1, high=1024, help="D: number of heads; each attends over its share of the channels"
    ),
    "axes": Option(
        default="heads-time-position",
        choices=("heads-time-position", "time-height-width"),
        help="axes of the 1x3x5 convolution: those of V_A, as printed, or time, height and width within each head",
    ),
    "attention": Option(
        default="printed",
        choices=("printed", "mean", "softmax", "none"),
        help="printed: eq. 2 without softmax; mean: its sum divided by the number of positions, as in non-local "
        "networks; softmax: softmax of the scaled products, as in Vaswani et al.; none: without the first term of eq. "
        "2 (a control)",
    ),
    "projections": Option(
        default="shared",
        choices=("shared", "own"),
        unspecified=True,
        help="B1, B2 and B3: shared by the heads, as eq. 2 prints them, or separate for each head",
    ),
    "activation": Option(
        default="relu",
        choices=("relu", "none"),
        unspecified=True,
        help="activation after the convolution; Table 1 names ReLU but not its place",
    ),
    "classifier": Option(
        default="per-step",
        choices=("per-step", "pooled"),
        unspecified=True,
        help="per-step: classify the W*H*F values of each time step and average the logits over the N_s steps; "
        "pooled: classify the mean of the F features over steps and positions",
    ),
    "dropout": Option(
        default=0.1,
        low=0.0,
        high=0.99,
        unspecified=True,
        help="dropout of the first term of eq. 2; the paper prints 0.9 and cites Vaswani et al., who use 0.1 (variant "
        "literal: 0.9)",
    ),
}
TRAINING: Mapping[str, Option] = {  # Table 1, "Spatial-Temporal Self-Attentions"
    "head_lr": Option(
        default=2e-4, low=0.0, help="learning rate of the attention network; its optimizer is method.optimiser"
    ),
    "head_epochs": Option(default=100, low=1, help="epochs of the attention network"),
    "head_batch": Option(default=16, low=1, unspecified=True, help="clips per update of the attention network"),
}
HEAD: Mapping[str, Option] = {**SHAPE, **TRAINING}
HEAD_VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "softmax": {"attention": "softmax"},
    "no-attention": {"attention": "none"},  # control: the same training of convolution and classifier
    "literal": {"dropout": 0.9},
}
ATTENTION_ONLY: tuple[str, ...] = ("attention", "dropout")  # of the first term of eq. 2
ATTENTION_CONTROLS: Mapping[str, str] = {"softmax": "no-attention", "literal": "no-attention", "": "no-attention"}
# Of rows with attention alone; dropout has no effect without it.
SYSTEM_CONTROLS: Mapping[str, str] = {"softmax": "no-attention", "literal": "no-attention", "sa": "sa+no-attention"}

# Table 1, "I3D with Knowledge Distillation": kd's options. The backbone alone is trained with the same numbers.
BACKBONE: Mapping[str, Option] = {key: KD_OPTIONS[key] for key in RECIPE}
ATTENTION_OPTIONS: Mapping[str, Option] = {
    **BACKBONE,
    "epochs": replace(BACKBONE["epochs"], help="epochs of the backbone"),
    **HEAD,
}
SYSTEM_OPTIONS: Mapping[str, Option] = {
    **KD_OPTIONS,
    **HEAD,
    "kd": Option(default=False, help="distil from a teacher on high views (section 3.1)"),
    "sa": Option(default=False, help="use the attention network instead of the mean over chunks (section 3.3)"),
}

DEFAULTS: Mapping[str, Value] = {**KD_DEFAULTS, "modality": "rgb"}  # I3D, 64 frames of 224x224
# Length and size of chunks at which a network is trained from scratch in minutes.
CHUNKS: Mapping[str, Value] = {"backbone": "resnet3d-18", "size": "64x84", "sampling": "windows-16"}


def _budgets(
    options: Mapping[str, Option], *, enhancer: str = "bilinear", **paper: Value
) -> dict[str, dict[str, Value]]:
    """Return budgets: small and smoke are supervised's, on chunks, without options that the method lacks."""

    def of(name: str, **changes: Value) -> dict[str, Value]:
        numbers = {**JOINT_BUDGETS[name], **CHUNKS, "enhancer": enhancer, **changes}
        return {key: value for key, value in numbers.items() if "." not in key or key.partition(".")[2] in options}

    smoke: dict[str, Value] = {
        "size": "48x64",
        "method.batch": 4,
        "method.epochs": 1,
        "method.joint_epochs": 1,
        "method.head_epochs": 2,
    }
    return {"paper": {**DEFAULTS, "enhancer": enhancer, **paper}, "small": of("small"), "smoke": of("smoke", **smoke)}


ATTENTION_BUDGETS: Mapping[str, Mapping[str, Value]] = _budgets(ATTENTION_OPTIONS)

# Rows without super-resolution enlarge low frames bicubically. Optical flow uses bicubic frames in all rows.
SUPER_RESOLUTION: Mapping[str, Value] = {"enhancer": "d-dbpn", "enhancer.resize": True}  # 12x16 by 8, then 224x224
SHORTER: Mapping[str, Value] = {"sr:enhancer": "dbpn-s", "sr:enhancer.scale": 4}  # 48x64, then 64x84
SYSTEM_BUDGETS: Mapping[str, Mapping[str, Value]] = {
    name: {**numbers, **({} if name == "paper" else SHORTER)}
    for name, numbers in _budgets(SYSTEM_OPTIONS, enhancer="bicubic", modality="rgb+flow").items()
}
