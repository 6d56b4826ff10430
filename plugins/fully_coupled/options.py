"""Options, variants and budgets of fully-coupled. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from benchmark_core.specs import Value
from elrbench import Option
from elrbench_plugins.supervised.budgets import OPTIONS as RECIPE
from elrbench_plugins.supervised.budgets import SMALL, SMOKE

STREAMS: Mapping[str, tuple[str, ...]] = {
    "both": ("spatial", "temporal"),
    "spatial": ("spatial",),
    "temporal": ("temporal",),
}
FUSIONS: Final = ("states-concat", "states-sum", "features-concat", "features-sum", "scores")
SHARING: Final = ("epochs", "batches", "together", "high-first")

NETWORK: Mapping[str, Option] = {  # options that shape the recognizer
    "streams": Option(default="both", choices=tuple(STREAMS), help="pictures and optical flow, or one of them"),
    "fusion": Option(
        default="states-concat",
        choices=FUSIONS,
        unspecified=True,
        help="of both streams. states: each stream has its own GRU, whose outputs are concatenated or added; features: "
        "the streams' features are concatenated or added, and one GRU reads them; scores: mean of the logits of two "
        "GRUs with a classifier each",
    ),
    "gru_width": Option(default=512, low=1, high=8192, unspecified=True, help="numbers of the GRU's state"),
    "readout": Option(
        default="last",
        choices=("last", "mean"),
        unspecified=True,
        help="output of the GRU: the state after the last unit, or the mean of the states after each unit",
    ),
    "both_ways": Option(
        default=False, unspecified=True, help="a second GRU reads the units backwards; both outputs are concatenated"
    ),
    "head_dropout": Option(
        default=0.5, low=0.0, high=0.99, unspecified=True, help="dropout probability before the classifier"
    ),
    "flow_bound": Option(
        default=20.0,
        low=0.1,
        unspecified=True,
        help="flow is clipped to +- this many pixels per frame, at network size, and scaled to the range of normalised "
        "pictures",
    ),
}
COUPLING: Mapping[str, Option] = {
    "coupled": Option(default=True, help="train on high views, too; false trains on low views alone"),
    "sharing": Option(
        default="epochs",
        choices=SHARING,
        unspecified=True,
        help="order of high and low views. epochs: they take turns, high first; batches: an update on the high and one "
        "on the low views of each batch; together: one update on the sum of both losses; high-first: all epochs on "
        "high views, then all on low views, for which the schedule begins again",
    ),
    "high_weight": Option(default=1.0, low=0.0, unspecified=True, help="weight of the loss on high views"),
    "norms": Option(
        default="own",
        choices=("own", "shared"),
        unspecified=True,
        help="batch normalisation of low and high views (C3D has none): own layers, or shared as all filters are",
    ),
}
OPTIONS: Mapping[str, Option] = {
    **RECIPE,
    **{key: replace(RECIPE[key], unspecified=True) for key in ("optimiser", "momentum", "schedule", "step_factor")},
    "lr": replace(RECIPE["lr"], default=1e-3, unspecified=True),
    "weight_decay": replace(RECIPE["weight_decay"], default=5e-4, unspecified=True),
    "batch": replace(RECIPE["batch"], default=16, unspecified=True),
    "epochs": replace(
        RECIPE["epochs"],
        default=30,
        unspecified=True,
        help="passes over low views; coupled training adds as many over high views, in the order of `sharing`",
    ),
    "step_epochs": replace(
        RECIPE["step_epochs"],
        default=20,
        unspecified=True,
        help="passes over low views between steps of the schedule",
    ),
    "warmup_epochs": replace(
        RECIPE["warmup_epochs"],
        default=0,
        unspecified=True,
        help="passes over low views with linear warm-up (not used by one-cycle)",
    ),
    **NETWORK,
    **COUPLING,
}
VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "uncoupled": {"coupled": False},
    "spatial": {"streams": "spatial"},
    "temporal": {"streams": "temporal"},
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "c3d",
    "enhancer": "bicubic",
    "size": "112x112",
    "sampling": "4x16",
    "precision": "fp32",
}


def _numbers(budget: Mapping[str, Value]) -> dict[str, Value]:
    """Return the options of training of a budget of supervised training."""
    return {key: value for key, value in budget.items() if key.startswith("method.")}


# C3D from scratch needs a lower rate than the networks of `supervised`.
_LESS: Mapping[str, Value] = {"size": "48x64", "method.lr": 1e-4, "method.gru_width": 128, "method.flow_bound": 8.0}
BUDGETS: Mapping[str, Mapping[str, Value]] = {
    "paper": DEFAULTS,
    "small": {**_numbers(SMALL), **DEFAULTS, **_LESS, "sampling": "2x8", "method.epochs": 10},
    "smoke": {**_numbers(SMOKE), **DEFAULTS, **_LESS, "size": "24x32", "sampling": "2x4", "method.gru_width": 16},
}
