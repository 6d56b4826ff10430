"""Options and budgets of multi-siamese. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.supervised.budgets import OPTIONS as RECIPE
from elrbench_plugins.supervised.budgets import SMALL, SMOKE

CONTRAST: Mapping[str, Option] = {
    "contrast_weight": Option(default=1.0, low=0.0, unspecified=True, help="weight of the contrastive loss"),
    "margin": Option(
        default=1.0, low=0.0, unspecified=True, help="two scenes add no loss if their embeddings are farther apart"
    ),
    "unit": Option(default=True, unspecified=True, help="scale embeddings to length 1 before distances are taken"),
    "negatives": Option(
        default="scenes",
        choices=("scenes", "classes"),
        unspecified=True,
        help="pairs that are pushed apart: of two scenes, or of two scenes of other classes alone",
    ),
}
POOL: Mapping[str, Option] = {
    "transforms": Option(
        default=4, low=2, high=64, unspecified=True, help="n: low views of each scene, the first one as it is"
    ),
    "transform_shift": Option(
        default=1.0, low=0.0, high=4.0, unspecified=True, help="largest shift along each axis, in low pixels"
    ),
    "transform_scale": Option(
        default=1.1, low=1.0, high=2.0, unspecified=True, help="s: scales are from 1/s to s, log-uniform"
    ),
    "transform_angle": Option(default=5.0, low=0.0, high=45.0, unspecified=True, help="largest rotation, in degrees"),
}
OPTIONS: Mapping[str, Option] = {
    **RECIPE,
    "optimiser": replace(RECIPE["optimiser"], default="adam", unspecified=True),
    "lr": replace(RECIPE["lr"], default=1e-3, unspecified=True),
    "batch": replace(RECIPE["batch"], default=32, unspecified=True, help="scenes per update, each with n low views"),
    "epochs": replace(RECIPE["epochs"], default=100, unspecified=True),
    "schedule": replace(RECIPE["schedule"], default="cosine", unspecified=True),
    "warmup_epochs": replace(RECIPE["warmup_epochs"], default=0, unspecified=True),
    **POOL,
    **CONTRAST,
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "lr-two-stream",
    "enhancer": "bilinear",  # for backbones that are not native
    "size": "48x64",
    "sampling": "clip-32",
    "teacher_size": "48x64",  # of high views
    "precision": "fp32",
}
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": DEFAULTS,
    "small": {
        **{key: value for key, value in SMALL.items() if key.startswith("method.")},
        **DEFAULTS,
        "sampling": "clip-24",
    },
    "smoke": {
        **{key: value for key, value in SMOKE.items() if key.startswith("method.")},
        **DEFAULTS,
        "sampling": "clip-8",
        "method.transforms": 2,
    },
}
