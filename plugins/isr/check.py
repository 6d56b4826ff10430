"""Which plans isr refuses. Imports no torch."""

from __future__ import annotations

from elrbench import Components, ElrError, Plan
from elrbench_plugins.hof_svm.check import check as check_descriptor
from elrbench_plugins.isr.grid import MOST_OUTSIDE, outside, pool_of
from elrbench_plugins.lr_transforms.check import check_made_views

DESCRIPTORS = ("hof", "pot")


def check(plan: Plan, components: Components) -> None:
    """Raise ElrError if low views cannot be made in training, or the pool or the SVM does not fit the plan."""
    check_made_views(plan, components)
    _check_pool(plan, components)
    if components.options(plan, "method")["classifier"] == "svm":
        _check_svm(plan, components)


def _check_pool(plan: Plan, components: Components) -> None:
    options, low = components.options(plan, "method"), components.degradation.low
    number, pool = int(options["transforms"]), pool_of(options)
    if number > len(pool):
        raise ElrError(
            f"method '{plan.method}' chooses method.transforms={number} of a pool of {len(pool)} transforms; lower "
            "method.transforms, or raise method.pool_shifts, method.pool_scales or method.pool_angles"
        )
    if low is None or number == 1:
        return
    share = outside(pool, low)
    worst = int(share.argmax())
    if share[worst] > MOST_OUTSIDE:
        raise ElrError(
            f"method '{plan.method}': the transform {pool.name(worst)} leaves the frame, as {share[worst]:.0%} of its "
            f"{low[0]}x{low[1]} low pixels lie outside the high view, more than {MOST_OUTSIDE:.0%}; lower "
            "method.transform_shift, method.transform_scale or method.transform_angle"
        )


def _check_svm(plan: Plan, components: Components) -> None:
    if plan.backbone.partition(":")[0] not in DESCRIPTORS:
        raise ElrError(
            f"method '{plan.method}' trains an SVM on histograms of flow and gradients, which backbone "
            f"'{plan.backbone}' does not compute; use --backbone pot or method.classifier=network"
        )
    check_descriptor(plan, components)
