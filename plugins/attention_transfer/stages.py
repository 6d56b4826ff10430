"""The stages of STAT and of CSTAT (section IV.B): each network alone, then the student once more with both."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier, student_stage

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

    Phase: TypeAlias = Callable[[Training, Recognizer, Recognizer], None]

TAM = ("tam_width", "tam_activation", "tam_start")


def fit_phases(training: Training, *, pretrain: Phase, transfer: Phase, revision: int) -> Recognizer:
    """T-Net on high views with its temporal attention module, S-Net on low ones without; then the joint phase.

    Between them, where `unlabelled` asks for it, the S-Net learns on the pool. Up to there STAT's stages are CSTAT's.
    Where high views are another dataset's, the S-Net goes on alone, on the target's own low views.
    """
    deploys = training.options["deploys"]
    if deploys == "student":
        return student_stage(training)
    teacher: Recognizer = training.teacher_stage(
        "teacher-tam",
        functools.partial(fit_classifier, training, high=True, epochs=int(training.options["epochs"])),
        training.teacher(role="teacher"),
        needs=("high", *RECIPE, *TAM),
        revision=CLASSIFIER_REVISION,
    )
    if deploys == "teacher":
        return teacher
    start = student_stage(training)
    student = training.recognizer(role="student")  # with a temporal attention module
    student.enhancer.load_state_dict(start.enhancer.state_dict())
    student.backbone.load_state_dict(start.backbone.state_dict())
    if training.options["unlabelled"] != "none":
        start = training.stage(
            "unlabelled",
            functools.partial(pretrain, training, teacher),
            student,
            needs=("low", "high", "unlabelled", *sorted(training.options), teacher, start),
            revision=revision,
        )
    joint: Recognizer = training.stage(
        "joint",
        functools.partial(transfer, training, teacher),
        student,
        needs=("low", "high", *sorted(training.options), teacher, start),
        revision=revision,
    )
    if training.plan.hr_source:
        training.stage(
            "target",
            functools.partial(fit_classifier, training, high=False, epochs=int(training.options["joint_epochs"])),
            joint,
            needs=("low", *RECIPE, joint),
            revision=CLASSIFIER_REVISION,
        )
    return joint
