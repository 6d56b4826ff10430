"""Train the recognizers on super-resolved clips. The enhancers are trained before, in stages of their own."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from elrbench_plugins.sosr.options import TEMPORAL_OPTIONS
from elrbench_plugins.supervised.fit import fit_classifier, student_stage

if TYPE_CHECKING:
    from elrbench import Recognizer, Training

REVISION = 1  # of the temporal stage: raise it when its result changes


def fit_spatial(training: Training) -> Recognizer:
    """Train and return the recognizer of pictures; it shares the stage of plain supervised training."""
    return student_stage(training)


def fit_temporal(training: Training) -> Recognizer:
    """Train and return the recognizer of the optical flow of super-resolved frames."""
    student: Recognizer = training.recognizer(role="student")
    training.stage(
        "student",
        functools.partial(fit_classifier, training, high=False, epochs=int(training.options["epochs"])),
        student,
        needs=("low", *TEMPORAL_OPTIONS),
        revision=REVISION,
    )
    return student
