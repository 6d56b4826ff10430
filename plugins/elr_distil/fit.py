"""Train elr-distil: its teachers, then the student, first on a pretext task if there is one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.elr_distil.learn import REVISION, learn, reads_high
from elrbench_plugins.elr_distil.options import IDEAS
from elrbench_plugins.elr_distil.pretrain import READS, pretrain
from elrbench_plugins.elr_distil.pretrain import REVISION as PRETEXT_REVISION
from elrbench_plugins.elr_distil.teachers import trained_teachers

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training


def fit(training: Training) -> Recognizer:
    """Train and return the student. Its stage has the name, and so the batches, of supervised training."""
    options = training.options
    teachers = trained_teachers(training)
    student: Recognizer = training.recognizer(role="student")
    pretext = options["pretext"] != "none"
    if pretext:
        clips = "unlabelled" if options["pretext_clips"] == "unlabelled" else "low"
        training.stage(
            "pretext",
            functools.partial(pretrain, training),
            student,
            needs=(*dict.fromkeys(("low", clips)), *RECIPE, *READS),
            revision=PRETEXT_REVISION,
        )
    training.stage(
        "student",
        functools.partial(learn, training, teachers),
        student,
        needs=(
            "low",
            *(["high"] if reads_high(training) else []),
            *RECIPE,
            "joint_epochs",
            *IDEAS,
            *teachers.trained,
            *([student] if pretext else []),
        ),
        revision=REVISION,
    )
    return student
