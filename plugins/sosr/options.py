"""Options, variants and budgets of sosr and tosr. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench import Option
from elrbench_plugins.supervised.budgets import BUDGETS as PLAIN

SPATIAL_OPTIONS: Mapping[str, Option] = RECIPE
SPATIAL_VARIANTS: Mapping[str, Mapping[str, Value]] = {
    "mse": {"enhancer": "rrdb:mse"},  # for comparison: equal weights
    "adversarial": {"enhancer": "rrdb:sosr-adversarial"},
    "perceptual": {"enhancer": "rrdb:sosr-perceptual"},
}
DEFAULTS: Mapping[str, Value] = {
    "backbone": "resnet34",
    "enhancer": "rrdb:sosr",
    "size": "240x320",
    "sampling": "8x1",
    "precision": "fp32",
}

TEMPORAL_OPTIONS: Mapping[str, Option] = {
    **RECIPE,
    "flow_bound": Option(
        default=20.0,
        low=0.1,
        unspecified=True,
        help="pixels per frame, at network size, at which flow is clipped; the bounds become those of normalised "
        "pictures",
    ),
}
TEMPORAL_VARIANTS: Mapping[str, Mapping[str, Value]] = {"unwarped": {"enhancer": "duf"}}  # for comparison: no eq. 3
TEMPORAL_DEFAULTS: Mapping[str, Value] = {
    **DEFAULTS,
    "backbone": "i3d",
    "enhancer": "duf:tosr",
    "sampling": "4x16",
}


def _budgets(
    defaults: Mapping[str, Value],
    small: Mapping[str, Value],
    smoke: Mapping[str, Value],
) -> dict[str, dict[str, Value]]:
    """Return the budgets of plain supervised training with these fields instead of its own."""
    return {
        "paper": {**PLAIN["paper"], "method.weight_decay": 5e-4, **defaults},
        "small": {**PLAIN["small"], **small},
        "smoke": {**PLAIN["smoke"], **small, **smoke},
    }


SPATIAL_BUDGETS: Mapping[str, Mapping[str, Value]] = _budgets(
    DEFAULTS,
    {
        "size": "48x64",
        "enhancer": "rrdb-s:sosr",
        "mse:enhancer": "rrdb-s:mse",
        "adversarial:enhancer": "rrdb-s:sosr-adversarial",
        "perceptual:enhancer": "rrdb-s:sosr-perceptual",
    },
    {"sampling": "2x1"},
)
TEMPORAL_BUDGETS: Mapping[str, Mapping[str, Value]] = _budgets(
    {**TEMPORAL_DEFAULTS, "method.batch": 64},
    {
        "backbone": "resnet3d-18",
        "size": "48x64",
        "sampling": "2x16",
        "enhancer": "duf-s:tosr",
        "unwarped:enhancer": "duf-s",
        "method.flow_bound": 8.0,
    },
    {"sampling": "1x8"},
)
