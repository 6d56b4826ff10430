"""Rules for a teacher with another network than the student."""

from __future__ import annotations

from benchmark_core.clips.modality import kind
from benchmark_core.clips.sampling import Sampling
from benchmark_core.plans.components import Rule
from benchmark_core.plans.plan import Plan


def _names_teacher(plan: Plan) -> bool:
    """Return whether a field of the plan makes the teacher another network than the student."""
    return bool(plan.teacher_backbone or plan.teacher_weights or plan.teacher_size or plan.teacher_frames)


TEACHER_RULES: tuple[Rule, ...] = (
    Rule(
        "teacher-network-unused",
        lambda plan, components: _names_teacher(plan) and not components.has_teacher(plan),
        "method '{plan.method}' trains no teacher; remove --teacher-backbone, --teacher-weights, --teacher-size and "
        "--teacher-frames",
    ),
    Rule(
        "teacher-same-network",
        lambda plan, components: (
            "same-network" in components.method.needs
            and (
                plan.teacher_backbone not in ("", plan.backbone)
                or plan.teacher_weights not in ("", plan.weights)
                or plan.teacher_frames > 0
            )
        ),
        "method '{plan.method}' has one network for low and high views; remove --teacher-backbone, --teacher-weights "
        "and --teacher-frames",
    ),
    Rule(
        "teacher-stages-needed",
        lambda plan, components: (
            components.has_teacher(plan)
            and "stages" in components.method.needs
            and not components.of_teacher.backbone.stages
        ),
        "method '{plan.method}' reads stage maps, but the teacher's backbone '{plan.of_teacher.backbone}' has none; "
        "use another --teacher-backbone",
    ),
    Rule(
        "teacher-modality",
        lambda plan, components: components.of_teacher.backbone.modality not in ("rgb", kind(plan.modality)),
        "the teacher's backbone '{plan.of_teacher.backbone}' takes {components.of_teacher.backbone.modality}, not "
        "{plan.modality}; use another --teacher-backbone",
    ),
    Rule(
        "teacher-too-small",
        lambda plan, components: min(plan.high_size) < components.of_teacher.backbone.smallest,
        "the teacher's backbone '{plan.of_teacher.backbone}' needs sides of {components.of_teacher.backbone.smallest} "
        "pixels or more; pass a larger --teacher-size",
    ),
    Rule(
        "teacher-of-single-frames",
        lambda plan, components: (
            components.of_teacher.backbone.dims > components.backbone.dims and Sampling.parse(plan.sampling).t == 1
        ),
        "the teacher's backbone '{plan.of_teacher.backbone}' is 3D, but sampling {plan.sampling} takes single frames; "
        "use a 2D --teacher-backbone or a 3D --backbone",
    ),
    Rule(
        "teacher-windows",
        lambda plan, components: (
            bool(plan.teacher_frames)
            and components.method.oracle
            and components.dataset.window_scores is not None
            and Sampling.parse(plan.sampling).kind == "windows"
        ),
        "dataset '{plan.dataset}' scores each window, but the teacher takes {plan.teacher_frames} frames of a window "
        "as intervals of their own; run it as a network of its own with --backbone and --sampling",
    ),
    Rule(
        "teacher-size-for-enhancer",
        lambda plan, components: components.enhancer.needs_high and plan.high_size != plan.size,
        "enhancer '{plan.enhancer}' is trained on high views of network size, but the teacher's high views have "
        "another size; remove --teacher-size or choose an --enhancer that needs no training",
    ),
)
