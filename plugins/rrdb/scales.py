"""Refuse sizes that a network with one scale does not reach, and losses that lack what they need. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark_core.specs import Value
from elrbench import ElrError
from elrbench_plugins.dbpn.scales import Size, scale_of

if TYPE_CHECKING:
    from elrbench import Components, Plan

SCALE = 4


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if the sizes do not fit, or if the feature loss has no network to compute features."""
    options = components.options(plan, "enhancer")
    check_sizes(components.degradation.low, plan.size, options, plan.enhancer, SCALE)
    if options["weights"] != "fit" or not float(options["feature_weight"]):
        return
    if components.backbone.dims != 2:
        raise ElrError(
            f"enhancer '{plan.enhancer}': the feature loss compares single frames, but backbone '{plan.backbone}' "
            "takes clips; use e.g. --backbone resnet34 or set enhancer.feature_weight=0"
        )
    if plan.weights == "scratch":
        raise ElrError(
            f"enhancer '{plan.enhancer}': the feature loss needs a trained network, but --weights is scratch; pass "
            "--weights FILE or set enhancer.feature_weight=0"
        )


def check_sizes(low: Size | None, size: Size, options: Mapping[str, Value], name: str, scale: int) -> None:
    """Raise ElrError if a network by `scale` does not lead from low (h, w), or clips of any size if None, to (H, W)."""
    scale_of(low, size, {**options, "scale": scale}, name)
