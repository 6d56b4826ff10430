"""Options and budgets of TinyVIRAT's classifier. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench import Option
from elrbench_plugins.supervised.budgets import SMALL as PLAIN

# Section V.B: Adam with betas 0.5 and 0.9 and a learning rate of 0.0002, for enhancer and classifier alike; 16 frames
# (IV.A.2) of 112x112 (V.A, V.C). Budgets override variants, so they only set what no variant sets.
OPTIONS: Mapping[str, Option] = {
    **RECIPE,
    "optimiser": replace(RECIPE["optimiser"], default="adam"),
    "lr": replace(RECIPE["lr"], default=2e-4),
    "beta1": replace(RECIPE["beta1"], default=0.5, added=False),
    "beta2": replace(RECIPE["beta2"], default=0.9, added=False),
    "batch": replace(RECIPE["batch"], default=32, unspecified=True),
    "epochs": replace(RECIPE["epochs"], default=50, unspecified=True),
    "schedule": replace(RECIPE["schedule"], default="constant", unspecified=True),
    "warmup_epochs": replace(RECIPE["warmup_epochs"], default=0),
    "step_epochs": replace(RECIPE["step_epochs"], default=1),
    "step_factor": replace(RECIPE["step_factor"], default=0.999),
    "sees": Option(
        default="low",
        choices=("low", "high"),
        help="input of the classifier. low: enhanced low views; high: high views without an enhancer (oracle)",
    ),
}
# Values of the authors' code for a classifier on super-resolved video. With attention its rate is constant, as in the
# paper.
CODE: Mapping[str, Value] = {"beta1": 0.9, "beta2": 0.999, "schedule": "step"}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "i3d",
    "enhancer": "prog-dvsr-att",
    "size": "112x112",
    "sampling": "windows-16",
    "precision": "fp32",
}
# Converges from scratch on a few hundred clips: supervised's numbers at this budget, except Adam's betas.
SMALL: Mapping[str, Value] = {
    **PLAIN,
    "backbone": "resnet3d-18",
    "size": "56x56",
    "sampling": "windows-16",
}
# Checks that a plan runs; its accuracy means nothing.
SMOKE: Mapping[str, Value] = {**SMALL, "size": "48x64", "method.batch": 4, "method.epochs": 1}

BUDGETS: Mapping[str, Mapping[str, Value]] = {"paper": DEFAULTS, "small": SMALL, "smoke": SMOKE}
