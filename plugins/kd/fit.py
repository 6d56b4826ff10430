"""Distillation: a teacher on high views trains a student on low views by soft labels (Purwanto et al., sec. 3.1)."""

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

REVISION = 1  # of `distil`: raise it when its result changes


def fit(training: Training) -> Recognizer:
    """Train the teacher on high views, then the student on low views, and return the student.

    If the high views come from another dataset, the student is then trained on the target's low views, on labels alone.
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
    """Return the distilled student. The option `start` names its initial weights."""
    start = str(training.options["start"])
    alone = start == "student"
    student = student_stage(training) if alone else training.recognizer(role="student", head="mean-logits")
    network: Recognizer = training.stage(
        PHASE[start],
        functools.partial(distil, training, teacher),
        student,
        needs=("low", "high", *RECIPE, "joint_epochs", "alpha", "temperature", teacher, *([student] if alone else [])),
        revision=REVISION,
    )
    return network


def distil(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Train `student` in place on the weighted loss for `joint_epochs`. The teacher is frozen, in evaluation mode."""
    options = training.options
    epochs, alpha, temperature = int(options["joint_epochs"]), float(options["alpha"]), float(options["temperature"])
    teacher.eval().requires_grad_(False)
    views = training.views("train", low=True, high=True)
    recipe = training.recipe(student, views, epochs)
    for batch in training.epochs(views, epochs, state=[student, recipe]):
        with training.autocast():
            with torch.no_grad():
                teacher_logits = teacher(batch.high, batch.mask, batch.box)  # (B, C)
            logits = student(batch.low, batch.mask, batch.box)  # (B, C)
        soft = training.soft_loss(logits, teacher_logits, temperature)
        task = training.task_loss(logits, batch.target)
        loss = weighted(soft, task, alpha)
        recipe.step(loss)
        training.log(loss=loss, soft=soft, task=task)
