"""Which plans multi-siamese refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan
from elrbench_plugins.lr_transforms.check import check_made_views


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if a scene has no other, or if low views cannot be made from high views in training."""
    options = components.options(plan, "method")
    if options["batch"] < 2 and float(options["contrast_weight"]) > 0:
        raise ElrError(
            f"method '{plan.method}' compares two scenes, but method.batch=1 has one; use method.batch=2 or more"
        )
    check_made_views(plan, components)
