"""Budgets of plain supervised training. Methods that start from it share its stages if their numbers are equal.

Imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench import Option

# CSTAT, section IV.B: SGD, batch 256, momentum 0.9, learning rate 0.001 divided by 10 every 20 epochs, 5 epochs of
# warm-up, 50 in total; ResNet-34 on 8 intervals of one frame at 256x340. It names no weight decay and no clipping.
PAPER: Mapping[str, Value] = {
    "backbone": "resnet34",
    "size": "256x340",
    "sampling": "8x1",
    "precision": "fp32",
    "method.optimiser": "sgd",
    "method.lr": 1e-3,
    "method.momentum": 0.9,
    "method.weight_decay": 0.0,
    "method.batch": 256,
    "method.epochs": 50,
    "method.schedule": "step",
    "method.warmup_epochs": 5,
    "method.step_epochs": 20,
    "method.step_factor": 0.1,
    "method.clip_norm": 0.0,
    "method.label_smoothing": 0.0,
}

# Converges from scratch on a few hundred clips, in minutes on two cores.
SMALL: Mapping[str, Value] = {
    **PAPER,
    "backbone": "resnet18",
    "size": "96x128",
    "sampling": "4x1",
    "method.optimiser": "adamw",
    "method.weight_decay": 1e-2,
    "method.batch": 16,
    "method.epochs": 20,
    "method.schedule": "one-cycle",
    "method.warmup_epochs": 0,
}

# Checks that a plan runs; its accuracy means nothing.
SMOKE: Mapping[str, Value] = {**SMALL, "size": "48x64", "sampling": "2x1", "method.epochs": 2}

BUDGETS: Mapping[str, Mapping[str, Value]] = {"paper": PAPER, "small": SMALL, "smoke": SMOKE}
DEFAULTS: Mapping[str, Value] = {"backbone": "resnet34", "enhancer": "bilinear", "size": "256x340", "sampling": "8x1"}
OPTIONS: Mapping[str, Option] = RECIPE

JOINT_OPTIONS: Mapping[str, Option] = {
    **RECIPE,
    "joint_epochs": Option(
        default=50,
        low=1,
        unspecified=True,
        help="epochs of the second phase, with a fresh schedule (CSTAT gives no number: as many as the first)",
    ),
}
JOINT_BUDGETS: Mapping[str, Mapping[str, Value]] = {
    name: {**numbers, "method.joint_epochs": numbers["method.epochs"]} for name, numbers in BUDGETS.items()
}
