"""The numbers of the attention network and of the whole system. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core import Option
from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.kd.budgets import DEFAULTS as KD_DEFAULTS
from elrbench_plugins.kd.budgets import OPTIONS as KD_OPTIONS
from elrbench_plugins.supervised.budgets import JOINT_BUDGETS

SHAPE: Mapping[str, Option] = {  # what the head computes
    "heads": Option(default=8, low=1, high=1024, help="D: parts of the channels, each with an attention of its own"),
    "axes": Option(
        default="heads-time-position",
        choices=("heads-time-position", "time-height-width"),
        help="axes of the 1x3x5 convolution: those of V_A as printed, or time, height and width of each head alone",
    ),
    "attention": Option(
        default="printed",
        choices=("printed", "mean", "softmax", "none"),
        help="eq. 2 as printed, without softmax; mean: its sum over positions divided by their number, as non-local "
        "networks have it, so that long clips count as short ones; softmax: of the scaled products, as Vaswani et al.; "
        "none: without eq. 2's first term, the same network that attends to nothing",
    ),
    "projections": Option(
        default="shared",
        choices=("shared", "own"),
        unspecified=True,
        help="whether heads share B1, B2 and B3, which eq. 2 prints without an index",
    ),
    "activation": Option(
        default="relu",
        choices=("relu", "none"),
        unspecified=True,
        help="behind the convolution; Table 1 names ReLU for this network and no place",
    ),
    "classifier": Option(
        default="per-step",
        choices=("per-step", "pooled"),
        unspecified=True,
        help="the layer over a time step's W·H·F values, and the mean of its logits over N_s steps, which differ in "
        "number from clip to clip; or over the F features' mean over steps and positions",
    ),
    "dropout": Option(
        default=0.1,
        low=0.0,
        high=0.99,
        unspecified=True,
        help="on the first term of eq. 2, before the second is added; the paper has 0.9 'as' Vaswani et al., whose "
        "share is 0.1 (variant literal: 0.9)",
    ),
}
TRAINING: Mapping[str, Option] = {  # Table 1, "Spatial-Temporal Self-Attentions"
    "head_lr": Option(default=2e-4, low=0.0, help="learning rate of the attention network; its optimiser is method's"),
    "head_epochs": Option(default=100, low=1, help="passes of the attention network over the clips' features"),
    "head_batch": Option(default=16, low=1, unspecified=True, help="clips an update of the attention network"),
}
HEAD: Mapping[str, Option] = {**SHAPE, **TRAINING}
HEAD_VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "softmax": {"attention": "softmax"},
    "no-attention": {"attention": "none"},  # a control: convolution and classifier learn as long
    "literal": {"dropout": 0.9},
}

# Table 1, "I3D with Knowledge Distillation", is kd's; the backbone alone is trained likewise.
BACKBONE: Mapping[str, Option] = {key: KD_OPTIONS[key] for key in RECIPE}
ATTENTION_OPTIONS: Mapping[str, Option] = {
    **BACKBONE,
    "epochs": replace(BACKBONE["epochs"], help="passes of the backbone"),
    **HEAD,
}
SYSTEM_OPTIONS: Mapping[str, Option] = {
    **KD_OPTIONS,
    **HEAD,
    "kd": Option(default=False, help="the network on high views teaches the backbone (section 3.1)"),
    "sa": Option(default=False, help="the attention network takes the place of the mean over chunks (section 3.3)"),
}

DEFAULTS: Mapping[str, Value] = {**KD_DEFAULTS, "modality": "rgb"}  # I3D, 64 frames of 224x224
# Chunks of a length and size at which a network is trained from scratch in minutes.
CHUNKS: Mapping[str, Value] = {"backbone": "resnet3d-18", "size": "64x84", "sampling": "windows-16"}


def _budgets(
    options: Mapping[str, Option], *, enhancer: str = "bilinear", **paper: Value
) -> dict[str, dict[str, Value]]:
    """supervised's small and smoke on chunks; what it sets of options that a method lacks is left out."""

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

# Without it low frames are enlarged bicubically, as those are that flow is made of: in all rows, of the same frames.
SUPER_RESOLUTION: Mapping[str, Value] = {"enhancer": "d-dbpn", "enhancer.resize": True}  # 12x16 by 8, then 224x224
SHORTER: Mapping[str, Value] = {"sr:enhancer": "dbpn-s", "sr:enhancer.scale": 4}  # 48x64, then 64x84
SYSTEM_BUDGETS: Mapping[str, Mapping[str, Value]] = {
    name: {**numbers, **({} if name == "paper" else SHORTER)}
    for name, numbers in _budgets(SYSTEM_OPTIONS, enhancer="bicubic", modality="rgb+flow").items()
}
