"""Reject options of the confidence map that would have no effect or transfer nothing. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError
from elrbench_plugins.attention_transfer.check import check as check_transfer
from elrbench_plugins.cstat.options import CONFIDENCE

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan

MAPS = ("mlp", "difference", "gradient")
USED_BY = {
    "confidence_loss": MAPS[:1],
    "confidence_outputs": MAPS[:1],
    "confidence_binary": MAPS,
    "confidence_score": MAPS,
}


def check(plan: Plan, components: Components) -> None:
    """Check rolling weights and inputs as for STAT, then the options of the confidence map.

    ElrError if an option is set that the plan's map does not use, if no loss would train the extractor, or if the score
    counts pixels without loss and the normalisation gives every pixel a loss.
    """
    check_transfer(plan, components)
    options = components.options(plan, "method")
    kind = str(options["confidence"])
    for key, maps in USED_BY.items():
        if kind not in maps and options[key] != CONFIDENCE[key].default:
            raise ElrError(
                f"method '{plan.method}' has method.confidence={kind} and does not use method.{key}={options[key]}; "
                f"remove it or set method.confidence={' or '.join(maps)}"
            )
    if options["confidence_loss"] != "transfer" and options["w_ce"] == 0:
        raise ElrError(
            f"method '{plan.method}': method.w_ce=0 removes the classification loss, but "
            f"method.confidence_loss={options['confidence_loss']} trains with it; set method.confidence_loss=transfer"
        )
    if options["confidence_loss"] == "classification" and options["unlabelled"] == "attention":
        raise ElrError(
            f"method '{plan.method}': method.unlabelled=attention has no classification loss, but "
            "method.confidence_loss=classification trains with it; set method.unlabelled=attention+soft"
        )
    if options["confidence_score"] == "ratio" and options["confidence_normalise"] == "median":
        raise ElrError(
            f"method '{plan.method}': method.confidence_score=ratio counts pixels without loss, and "
            "method.confidence_normalise=median gives every pixel a loss; set method.confidence_normalise=absolute"
        )
