"""What every transfer method is measured against: the student alone, and the teacher on high views."""

from benchmark_core import MethodSpec, Option, hookimpl
from elrbench_plugins.supervised.budgets import BUDGETS, DEFAULTS, JOINT_BUDGETS, JOINT_OPTIONS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """The floor, its control with as many updates as a transfer method's student, and the ceiling."""
    return [
        MethodSpec(
            name="supervised",
            summary="the student alone: one network on low views, task loss only",
            fit="elrbench_plugins.supervised.fit:supervised",
            options={
                **JOINT_OPTIONS,
                "matched": Option(
                    default=False,
                    help="go on for joint_epochs with a fresh schedule: as many updates as a transfer method's student",
                ),
            },
            variants={"matched": {"matched": True}},
            controls=("matched",),
            defaults=DEFAULTS,
            budgets=JOINT_BUDGETS,
        ),
        MethodSpec(
            name="teacher",
            summary="the teacher: the same network trained and scored on high views, a ceiling",
            fit="elrbench_plugins.supervised.fit:teacher",
            options=OPTIONS,
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            oracle=True,
        ),
    ]
