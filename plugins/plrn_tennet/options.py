"""Options, variants and budgets of TenneT and pLRN. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.supervised.budgets import OPTIONS as RECIPE
from elrbench_plugins.supervised.budgets import SMALL, SMOKE
from elrbench_plugins.svm_head.options import options

SIDE: Final = 3  # frames, rows and columns of a filter
FILTERS: Final = 10  # of each stage, as the authors' code

DESCRIPTOR: Mapping[str, Option] = {
    "filters1": Option(default=FILTERS, low=1, high=26, help="filters of the first stage"),
    "filters2": Option(default=FILTERS, low=1, high=12, help="filters of the second stage, each a bit of a code"),
    "block": Option(default=5, low=1, high=32, help="rows and columns of a block of a histogram"),
    "overlap": Option(default=0.5, low=0.0, high=0.99, help="share of a block's side that the next block also has"),
    "mean": Option(
        default="responses",
        choices=("responses", "histograms"),
        unspecified=True,
        help="what is averaged over time: the responses of the second stage, before bits are taken, or the histograms "
        "of single frames",
    ),
}
_SVM = options(head="linear-svm", scaling="none", c=1.0, scalings=("none", "l2", "standardise"))
HEAD: Mapping[str, Option] = {
    **_SVM,
    "head": replace(
        _SVM["head"],
        choices=("linear-svm", "logistic"),  # kernels would store about a thousand vectors of a million numbers
        help="classifier: linear SVM (one vs rest) or logistic regression; with several labels, one per label",
    ),
    "c": replace(_SVM["c"], unspecified=True),
}
TARGET: Mapping[str, Option] = {
    "low_rank": Option(
        default="tensor",
        choices=("tensor", "matrix"),
        unspecified=True,
        help="decomposition of the clip: tensor SVD along time, or SVD of the matrix of frames and pixels",
    ),
    "rank": Option(default=4, low=1, high=1000, unspecified=True, help="singular values that the target keeps"),
    "target_weight": Option(default=1.0, low=0.0, unspecified=True, help="weight of the loss of the low-rank target"),
}
PLRN: Mapping[str, Option] = {
    **RECIPE,
    "optimiser": replace(RECIPE["optimiser"], default="adam", unspecified=True),
    "lr": replace(RECIPE["lr"], default=1e-3, unspecified=True),
    "batch": replace(RECIPE["batch"], default=16, unspecified=True),
    "epochs": replace(RECIPE["epochs"], default=50, unspecified=True),
    "schedule": replace(RECIPE["schedule"], default="cosine", unspecified=True),
    "warmup_epochs": replace(RECIPE["warmup_epochs"], default=0, unspecified=True),
    "start": Option(
        default="tennet",
        choices=("tennet", "random"),
        help="first weights of both convolutions: filters of TenneT, or random numbers",
    ),
    **TARGET,
}
VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "no-target": {"target_weight": 0.0},
    "random": {"start": "random"},
    "matrix": {"low_rank": "matrix"},
}
_INPUT: Mapping[str, Value] = {"enhancer": "cubic", "size": "32x32", "sampling": "clip-16", "precision": "fp32"}
TENNET_DEFAULTS: Mapping[str, Value] = {"backbone": "pca-hash", **_INPUT}
TENNET_BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": TENNET_DEFAULTS,
    "small": {**TENNET_DEFAULTS, "backbone.filters2": 7},
    "smoke": {**TENNET_DEFAULTS, "sampling": "clip-8", "backbone.filters1": 4, "backbone.filters2": 4},
}
PLRN_DEFAULTS: Mapping[str, Value] = {"backbone": "plrn-net", **_INPUT}


def _numbers(budget: Mapping[str, Value]) -> dict[str, Value]:
    """Return the options of training of a budget of supervised training."""
    return {key: value for key, value in budget.items() if key.startswith("method.")}


PLRN_BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": PLRN_DEFAULTS,
    "small": {**_numbers(SMALL), **PLRN_DEFAULTS},
    "smoke": {**_numbers(SMOKE), **PLRN_DEFAULTS, "sampling": "clip-8"},
}
