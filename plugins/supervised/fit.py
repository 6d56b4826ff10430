"""Train one network on labels: the student on low views, or the teacher on high views."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmark_core.training.recipe_options import RECIPE

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `fit_classifier`: raise it when its result changes


def fit_classifier(training: Training, recognizer: Recognizer, *, high: bool, epochs: int) -> None:
    """Train `recognizer` in place on the task loss for `epochs`. high: on high views instead of low views."""
    views = training.views("train", low=not high, high=high)
    recipe = training.recipe(recognizer, views, epochs)
    for batch in training.epochs(views, epochs, state=[recognizer, recipe]):
        with training.autocast():
            logits = recognizer(batch.high if high else batch.low, batch.mask, batch.box)  # (B, C)
        loss = training.task_loss(logits, batch.target)
        recipe.step(loss)
        training.log(loss=loss)


def student_stage(training: Training) -> Recognizer:
    """Train and return the student alone, with the mean of logits. Methods with equal numbers share this stage."""
    student: Recognizer = training.stage(
        "student",
        functools.partial(fit_classifier, training, high=False, epochs=int(training.options["epochs"])),
        training.recognizer(role="student", head="mean-logits"),
        needs=("low", *RECIPE),
        revision=REVISION,
    )
    return student


def supervised(training: Training) -> Recognizer:
    """Train and return the student on low views. `matched` adds a second phase of the length of a transfer method's.

    The stage's name seeds the order of clips and their augmentation. Both second phases are named "joint", so they get
    the same batches.
    """
    student = student_stage(training)
    if training.options["matched"]:
        training.stage(
            "joint",
            functools.partial(fit_classifier, training, high=False, epochs=int(training.options["joint_epochs"])),
            student,
            needs=("low", *RECIPE, student),
            revision=REVISION,
        )
    return student


def teacher(training: Training) -> Recognizer:
    """Train and return the teacher on high views (oracle)."""
    oracle: Recognizer = training.stage(
        "teacher",
        functools.partial(fit_classifier, training, high=True, epochs=int(training.options["epochs"])),
        training.teacher(role="teacher"),
        needs=("high", *RECIPE),
        revision=REVISION,
    )
    return oracle
