"""Baselines of every transfer method: the student alone, and the teacher on high views."""

from elrbench import MethodSpec, Option, hookimpl
from elrbench_plugins.supervised.budgets import BUDGETS, DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer the lower bound, its control with as many updates as a transfer method's student, and the oracle."""
    return [
        MethodSpec(
            name="supervised",
            summary="the student alone: one network on low views, trained on labels",
            fit="elrbench_plugins.supervised.fit:supervised",
            options={
                **JOINT_OPTIONS,
                "matched": Option(
                    default=False,
                    help="train for joint_epochs more with a fresh schedule: as many updates as a transfer method's "
                    "student",
                ),
            },
            variants={"matched": {"matched": True}},
            controls=("matched",),
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
        ),
        MethodSpec(
            name="teacher",
            summary="the teacher: a network trained and scored on high views (oracle, not ranked)",
            fit="elrbench_plugins.supervised.fit:teacher",
            options=OPTIONS,
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            oracle=True,
        ),
    ]
