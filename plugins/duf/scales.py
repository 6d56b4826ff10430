"""Refuse sizes that a network by 4 does not reach. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench_plugins.rrdb.scales import check_sizes

if TYPE_CHECKING:
    from elrbench import Components, Plan

SCALE = 4


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if by 4 does not lead from the plan's low size to network size."""
    check_sizes(components.degradation.low, plan.size, components.options(plan, "enhancer"), plan.enhancer, SCALE)
