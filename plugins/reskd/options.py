"""Options and budgets of reskd. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.supervised.budgets import JOINT_BUDGETS, JOINT_OPTIONS

MAP: Mapping[str, Option] = {
    "map_weight": Option(default=100.0, low=0.0, help="weight of the distance of the last maps; 0: labels alone"),
    "teacher_norms": Option(
        default="batch",
        choices=("batch", "running"),
        help="statistics by which the frozen teacher normalises: of the batch (authors' code), or the running ones",
    ),
    "resize": Option(
        default="student",
        choices=("student", "teacher"),
        help="which map is resized to the size of the other; the authors resize the student's",
    ),
}
# The authors' code for TSN with ResNet-50: 8 clips on each of 8 GPUs; 100 epochs on Mini-Kinetics.
OPTIONS: Mapping[str, Option] = {
    **JOINT_OPTIONS,
    "lr": replace(JOINT_OPTIONS["lr"], default=0.01),
    "weight_decay": replace(JOINT_OPTIONS["weight_decay"], default=1e-4),
    "batch": replace(JOINT_OPTIONS["batch"], default=64),
    "schedule": replace(JOINT_OPTIONS["schedule"], default="cosine"),
    "warmup_epochs": replace(JOINT_OPTIONS["warmup_epochs"], default=0),
    "clip_norm": replace(JOINT_OPTIONS["clip_norm"], default=20.0),
    "epochs": replace(JOINT_OPTIONS["epochs"], default=50, help="epochs of the teacher"),
    "joint_epochs": replace(
        JOINT_OPTIONS["joint_epochs"],
        default=100,
        unspecified=False,
        help="epochs of the student; the authors' code has 100 on Mini-Kinetics, 200 on ActivityNet",
    ),
    **MAP,
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "resnet34",
    "enhancer": "bilinear",
    "size": "112x112",
    "sampling": "8x1",
    "precision": "fp32",
}
# Small and smoke have supervised's numbers, so that the teacher is the same stage.
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": {**DEFAULTS, "teacher_size": "224x224"},
    "small": JOINT_BUDGETS["small"],
    "smoke": JOINT_BUDGETS["smoke"],
}
