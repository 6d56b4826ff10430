"""Options, variants and budgets of semi-coupled. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import AUGMENTATION, RECIPE, TUNING
from elrbench import Option

# Views are mirrored here instead of augmented by the core; all levels of the backbone have one learning rate
# and are trained, because filters are copied between the two networks.
_LEFT_OUT = (*AUGMENTATION, "layer_decay", "freeze_epochs", "freeze_depth", *TUNING, "epochs")


def _ratio(value: float, layer: str, *, unspecified: bool = False, without: str = "") -> Option:
    return Option(
        default=value,
        low=0.0,
        high=1.0,
        unspecified=unspecified,
        help=f"coupling ratio r of {layer}: the first round(r n) of its n filters are copied after each epoch{without}",
    )


RATIOS: Mapping[str, Option] = {
    "ratio_conv1": _ratio(0.0, "the first convolutions"),
    "ratio_conv2": _ratio(0.25, "the second convolutions"),
    "ratio_conv3": _ratio(0.5, "the third convolutions"),
    "ratio_fuse": _ratio(0.75, "the 1x1 convolution of backbone.fusion=conv", unspecified=True),
    "ratio_fc1": _ratio(0.75, "fc1"),
    "ratio_fc2": _ratio(1.0, "fc2", without=", without biases"),
}
OPTIONS: Mapping[str, Option] = {
    **{key: option for key, option in RECIPE.items() if key not in _LEFT_OUT},
    "lr": replace(RECIPE["lr"], default=0.01),
    "weight_decay": replace(RECIPE["weight_decay"], default=5e-4),
    "batch": replace(RECIPE["batch"], default=32, help="clips per update, each with `frames` frames"),
    "schedule": replace(RECIPE["schedule"], default="step"),
    "warmup_epochs": replace(RECIPE["warmup_epochs"], default=0),
    "step_epochs": replace(RECIPE["step_epochs"], default=10, help="epochs of a network between steps of the schedule"),
    "step_factor": replace(RECIPE["step_factor"], default=0.5),
    "epochs": replace(RECIPE["epochs"], default=40, low=2, help="epochs of both networks together, which alternate"),
    "frames": Option(
        default=8,
        low=1,
        unspecified=True,
        help="random frames of a clip per update; the paper draws from all frames",
    ),
    "passes": Option(
        default=5,
        low=1,
        unspecified=True,
        help="passes over the training clips in an epoch. frames x passes should be near the number of frames of a "
        "clip: 5 passes for 40 frames, 12 for the 100 frames of IXMAS and HMDB51",
    ),
    "first": Option(
        default="low",
        choices=("low", "high"),
        unspecified=True,
        help="which network is trained first; the other one is trained last. The authors' code begins with low",
    ),
    "mirror": Option(
        default="colours",
        choices=("colours", "motion"),
        unspecified=True,
        help="flow of a mirrored clip. colours: its colours stay, as in the authors' code; motion: it is mirrored, too",
    ),
    "coupled": Option(
        default=True, help="couple with a network on high views; false trains the low one alone, for half of `epochs`"
    ),
    **RATIOS,
}
VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "uncoupled": {"coupled": False},
    "concat": {"backbone.fusion": "concat"},
    "conv": {"backbone.fusion": "conv"},
    "fc1-sum": {"backbone.at": "fc1"},
    "fc1-concat": {"backbone.at": "fc1", "backbone.fusion": "concat"},
    "fc1-conv": {"backbone.at": "fc1", "backbone.fusion": "conv"},
    "spatial": {"backbone.streams": "spatial"},
    "temporal": {"backbone.streams": "temporal"},
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "elr-two-stream",
    "enhancer": "cubic",
    "size": "32x32",
    "sampling": "windows-40",
    "precision": "fp32",
}
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": DEFAULTS,
    "small": {**DEFAULTS, "method.epochs": 20, "method.passes": 2, "method.step_epochs": 5},
    "smoke": {**DEFAULTS, "sampling": "windows-8", "method.epochs": 2, "method.passes": 1, "method.frames": 2},
}
