"""Options and budgets of kd. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.distillation.options import SOFT
from elrbench_plugins.supervised.budgets import JOINT_BUDGETS, JOINT_OPTIONS

# Table 1, "I3D with Knowledge Distillation"; section 4.2: N_p = 64 frames.
OPTIONS: Mapping[str, Option] = {
    **JOINT_OPTIONS,
    "optimiser": replace(JOINT_OPTIONS["optimiser"], default="adam"),
    "lr": replace(JOINT_OPTIONS["lr"], default=1e-4),
    "batch": replace(JOINT_OPTIONS["batch"], default=16, unspecified=True),
    "epochs": replace(
        JOINT_OPTIONS["epochs"], default=20, help="epochs of the teacher, and of a student trained alone"
    ),
    "schedule": replace(JOINT_OPTIONS["schedule"], default="constant", unspecified=True),
    "warmup_epochs": replace(JOINT_OPTIONS["warmup_epochs"], default=0, unspecified=True),
    "joint_epochs": replace(
        JOINT_OPTIONS["joint_epochs"], default=20, unspecified=False, help="epochs of distillation"
    ),
    **SOFT,
    "start": Option(
        default="fresh",
        choices=("fresh", "student"),
        unspecified=True,
        help="initial weights of the student. fresh: its backbone's initialisation; student: trained alone on labels",
    ),
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "i3d",
    "enhancer": "bilinear",
    "size": "224x224",
    "sampling": "windows-64",
    "precision": "fp32",
}
# Small and smoke have supervised's numbers, so that teacher and student alone are the same stages.
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": DEFAULTS,
    **{name: {**JOINT_BUDGETS[name], "method.start": "student"} for name in ("small", "smoke")},
}
