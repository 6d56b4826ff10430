"""Distillation from high to low views with a modern training recipe: the baseline for low-resolution methods."""

from elrbench import MethodSpec, hookimpl
from elrbench_plugins.strong_kd.budgets import BUDGETS, DEFAULTS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """Offer one method. Its variants leave out a component or change the student's initial weights."""
    return [
        MethodSpec(
            name="strong-kd",
            summary="knowledge distillation with a modern training recipe: the baseline to beat",
            citation="Hinton et al., Distilling the Knowledge in a Neural Network, 2015 (arXiv 1503.02531); student "
            "and teacher on the same augmented view: Beyer et al., Knowledge Distillation: A Good Teacher Is Patient "
            "and Consistent, CVPR 2022",
            fit="elrbench_plugins.strong_kd.fit:fit",
            options=OPTIONS,
            variants={
                "from-teacher": {"start": "teacher"},
                "from-student": {"start": "student"},
                "no-mixup": {"mixup": 0.0},
                "no-aug": {"jitter": 0.0, "erase": 0.0, "mixup": 0.0},
                "no-ema": {"ema_decay": 0.0},
                "no-teacher": {"alpha": 0.0},
            },
            own_controls={"": "no-teacher"},
            idea_options=("alpha", "temperature"),
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            check="elrbench_plugins.strong_kd.check:check",
            unspecified=(
                "all numbers: the method follows no single paper, so that each is this project's choice",
                "the teacher: trained as in kd and in the method teacher, by the options that they share (optimiser, "
                "lr, schedule and others). kd and strong-kd differ only in how the student is trained. The teacher "
                "has no label smoothing, which would remove what its soft labels say about wrong classes",
                "the student: AdamW, warm-up, cosine schedule to 0, label smoothing, one phase of epochs + "
                "joint_epochs, so that supervised:matched has as many updates (variant from-student: joint_epochs, "
                "after the student trained alone)",
                "freezing normalisation and clipping gradients on few clips, as STAT does: options student_freeze_bn "
                "and student_clip_norm; both are off",
                "augmentation, in addition to the crop of all methods: brightness, contrast and saturation, one erased "
                "rectangle, and mixup. Student and teacher views get the same numbers, at network size, for all frames "
                "of a clip. The teacher sees the mixture too. Optical flow: only erasing and mixup",
                "scored weights: the moving average of the student's weights and running statistics, with decay "
                "min(ema_decay, n / (9 + n)) at update n",
                "losses on features or attention: none; only outputs are compared",
                "high views from another dataset: the student is finally trained on the low views of the plan's "
                "dataset, with the same recipe, without a teacher",
            ),
        )
    ]
