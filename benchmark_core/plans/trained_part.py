"""What a training loop updates of a backbone: the values of the common option `train`. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark_core.plans.plan import Plan

# Everything, the classifier alone, a prefix of the number of last levels, and low-rank updates.
ALL, HEAD, LAST, LORA = "all", "head", "last-", "lora"


def trains_part(plan: Plan) -> bool:
    """Return whether a loop of the common recipe updates a part of the backbone (see `training.recipe_options`)."""
    value = str(plan.settings.get("method.train", ALL))
    return value in (HEAD, LORA) or value.startswith(LAST)
