"""One network, one view, the task loss: the student on low views, or the teacher on high ones."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmark_core.training.recipe_options import RECIPE

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `fit_classifier`: raised when what it trains changes


def fit_classifier(training: Training, recognizer: Recognizer, *, high: bool, epochs: int) -> None:
    """Trains `recognizer` in place on the task loss alone, for `epochs` passes over the low (or high) views."""
    views = training.views("train", low=not high, high=high)
    recipe = training.recipe(recognizer, views, epochs)
    for batch in training.epochs(views, epochs, state=[recognizer, recipe]):
        with training.autocast():
            logits = recognizer(batch.high if high else batch.low, batch.mask, batch.box)  # (B, C)
        loss = training.task_loss(logits, batch.target)
        recipe.step(loss)
        training.log(loss=loss)


def student_stage(training: Training) -> Recognizer:
    """The S-Net alone, with the mean of the logits: one stage for every method that reads the same numbers."""
    student: Recognizer = training.stage(
        "student",
        functools.partial(fit_classifier, training, high=False, epochs=int(training.options["epochs"])),
        training.recognizer(role="student", head="mean-logits"),
        needs=("low", *RECIPE),
        revision=REVISION,
    )
    return student


def supervised(training: Training) -> Recognizer:
    """The S-Net on low views; `matched` adds a second phase, as long as a transfer method's and under its name.

    The name gives the order of clips and their augmentation, so both second phases see the same batches.
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
    """The T-Net on high views: the ceiling."""
    ceiling: Recognizer = training.stage(
        "teacher",
        functools.partial(fit_classifier, training, high=True, epochs=int(training.options["epochs"])),
        training.teacher(role="teacher"),
        needs=("high", *RECIPE),
        revision=REVISION,
    )
    return ceiling
