"""Distillation from high to low views with today's habits: what a method made for low resolution has to beat."""

from benchmark_core import MethodSpec, hookimpl
from elrbench_plugins.strong_kd.budgets import BUDGETS, DEFAULTS, OPTIONS


@hookimpl
def elr_methods() -> list[MethodSpec]:
    """One method; its variants leave out a part, or change what the student starts from."""
    return [
        MethodSpec(
            name="strong-kd",
            summary="knowledge distillation, the student trained with today's habits: the reference to beat",
            citation="Hinton et al., Distilling the Knowledge in a Neural Network, 2015 (arXiv 1503.02531); student "
            "and teacher on the same augmented view: Beyer et al., Knowledge Distillation: A Good Teacher Is Patient "
            "and Consistent, CVPR 2022; cross-resolution: ResKD (Ma et al., Rethinking Resolution in the Context of "
            "Efficient Video Recognition, NeurIPS 2022)",
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
            defaults=DEFAULTS,
            budgets=BUDGETS,
            needs_high=True,
            takes=("teacher", "high_source"),
            unspecified=(
                "there is no one paper: every number is this project's judgement",
                "the T-Net: kd's and the method teacher's, by the options that they have in common (optimiser, lr, "
                "schedule and so on), so that kd and strong-kd differ in how the student is trained alone. It is "
                "trained without label smoothing, which would take from its answer what tells wrong classes apart",
                "the student: AdamW, warm-up and half a cosine to 0, label smoothing, one phase of epochs + "
                "joint_epochs, so that supervised:matched has as many updates (from-student: joint_epochs, after the "
                "student alone)",
                "what may stand still or be held back on few clips, as STAT has it: normalisation (student_freeze_bn) "
                "and the gradient's norm (student_clip_norm); neither is",
                "augmentation: beside the box that all methods have, brightness, contrast and saturation, one erased "
                "rectangle and mixup, by the same numbers for the student's view and for the teacher's, at the "
                "network's size; all frames of a clip alike. The teacher answers for the mixture. Of optical flow, "
                "erasing and mixup alone",
                "what is scored: the moving average of the student's weights and running statistics, whose decay "
                "begins low: min(ema_decay, n / (9 + n)) at the nth update",
                "no loss on features or attention: the networks' answers alone are compared",
                "where high views are another dataset's: the student ends on the target's own low views by the same "
                "recipe, without a teacher",
            ),
        )
    ]
