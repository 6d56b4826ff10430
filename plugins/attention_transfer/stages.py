"""Training stages of STAT and CSTAT (CSTAT, section IV.B): each network alone, then the joint phase."""

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

TAM = ("tam_width", "tam_activation", "tam_start")  # options of the temporal attention module


def fit_phases(training: Training, *, pretrain: Phase, transfer: Phase, revision: int) -> Recognizer:
    """Train the stages in order and return the network that the option `deploys` names.

    1. The teacher on high views, with its temporal attention module. STAT and CSTAT share this stage.
    2. The student on low views, with the mean over intervals. Also shared.
    3. If `unlabelled` is set: `pretrain`, on clips without labels.
    4. `transfer`, the joint phase. The student gets a temporal attention module here.
    5. If the high views come from another dataset: the student alone, on the target's low views.

    revision: of `pretrain` and `transfer`.
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
