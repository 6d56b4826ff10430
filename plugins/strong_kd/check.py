"""Reject a start from the teacher's weights that the student's network cannot take. Imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmark_core.errors import ElrError

if TYPE_CHECKING:
    from benchmark_core.plans.combinations import Components
    from benchmark_core.plans.plan import Plan


def check(plan: Plan, components: Components) -> None:
    """ElrError if the student starts from the weights of a teacher with another backbone. The size may differ."""
    if components.options(plan, "method")["start"] != "teacher":
        return
    teacher = plan.of_teacher
    if (teacher.backbone, teacher.modality) != (plan.backbone, plan.modality):
        raise ElrError(
            f"method '{plan.method}' copies the teacher's weights into the student, but the teacher's backbone is "
            f"'{teacher.backbone}' and the student's '{plan.backbone}'; use one backbone for both or "
            "method.start=fresh"
        )
