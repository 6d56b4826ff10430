"""Purwanto et al., 2019, section 3.1: the network on high views teaches the one on low views by its softened answer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.distillation.teacher import PHASE, t_net, weighted
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier, student_stage

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `distil`: raised when what it trains changes


def fit(training: Training) -> Recognizer:
    """T-Net on high views; then the S-Net on low ones, with the T-Net's answer before its eyes.

    Where high views are another dataset's, the S-Net goes on alone, on the target's own low views.
    """
    student = distilled(training, t_net(training))
    if training.plan.hr_source:
        training.stage(
            "target",
            functools.partial(fit_classifier, training, high=False, epochs=int(training.options["joint_epochs"])),
            student,
            needs=("low", *RECIPE, student),
            revision=CLASSIFIER_REVISION,
        )
    return student


def distilled(training: Training, teacher: Recognizer) -> Recognizer:
    """The student that `teacher` has taught, from what `start` names on."""
    start = str(training.options["start"])
    alone = start == "student"
    student = student_stage(training) if alone else training.recognizer(role="student", head="mean-logits")
    taught: Recognizer = training.stage(
        PHASE[start],
        functools.partial(distil, training, teacher),
        student,
        needs=("low", "high", *RECIPE, "joint_epochs", "alpha", "temperature", teacher, *([student] if alone else [])),
        revision=REVISION,
    )
    return taught


def distil(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Trains `student` in place on the weighted average, for `joint_epochs`; the T-Net stands still."""
    options = training.options
    epochs, alpha, temperature = int(options["joint_epochs"]), float(options["alpha"]), float(options["temperature"])
    teacher.eval().requires_grad_(False)
    views = training.views("train", low=True, high=True)
    recipe = training.recipe(student, views, epochs)
    for batch in training.epochs(views, epochs, state=[student, recipe]):
        with training.autocast():
            with torch.no_grad():
                shown = teacher(batch.high, batch.mask, batch.box)  # (B, C)
            seen = student(batch.low, batch.mask, batch.box)  # (B, C)
        soft = training.soft_loss(seen, shown, temperature)
        task = training.task_loss(seen, batch.target)
        loss = weighted(soft, task, alpha)
        recipe.step(loss)
        training.log(loss=loss, soft=soft, task=task)
