"""CSTAT, section IV.B: each network alone, then the student once more with the teacher's attention before its eyes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from benchmark_core.specs import Value
from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.cstat.confidence import ConfidenceMap
from elrbench_plugins.cstat.difference_map import Difference
from elrbench_plugins.cstat.gradient_map import Gradient
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.cstat.mlp_map import Mlp
from elrbench_plugins.cstat.phase import attend
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier, student_stage

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

    Phase: TypeAlias = Callable[[Training, Recognizer, Recognizer], None]

REVISION = 1  # of `transfer` and `pretrain`: raised when what they train changes
TAM = ("tam_width", "tam_activation", "tam_start")


def fit(training: Training) -> Recognizer:
    """The method's phases, with CSTAT's distance and confidence."""
    return fit_phases(training, pretrain=pretrain, transfer=transfer, revision=REVISION)


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


def transfer(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """The joint phase."""
    attend(training, teacher, student, distance=cosine_distance, measure=confidence_of(training.options, student))


def pretrain(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """The phase on clips without labels; its confidence map is not the joint phase's, which starts afresh."""
    attend(
        training,
        teacher,
        student,
        distance=cosine_distance,
        measure=confidence_of(training.options, student),
        unlabelled=str(training.options["unlabelled"]),
    )


def confidence_of(options: Mapping[str, Value], sees: Recognizer | None = None) -> ConfidenceMap | None:
    """What measures confidence, or None where every area counts alike. sees: the network whose images it is given."""
    normalise, grey = str(options["confidence_normalise"]), str(options["confidence_grey"])
    match options["confidence"]:
        case "mlp":
            channels = 3 if sees is None else sees.channels
            return Mlp(int(options["confidence_width"]), normalise, channels)
        case "difference":
            return Difference(float(options["difference_same"]), normalise, grey)
        case "gradient":
            return Gradient(
                float(options["gradient_sigma"]),
                int(options["gradient_dilations"]),
                blurred=str(options["gradient_blurred"]),
                operator=str(options["gradient_operator"]),
                normalise=normalise,
                grey=grey,
            )
        case _:
            return None
