"""Train ResKD: a teacher on high views, then a student whose last map imitates the teacher's."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.distillation.batch_statistics import batch_statistics
from elrbench_plugins.distillation.empty_views import empty_high_view, empty_low_view
from elrbench_plugins.distillation.map_loss import CrossResolution
from elrbench_plugins.distillation.teacher import t_net
from elrbench_plugins.distillation.unlike_maps import volume
from elrbench_plugins.reskd.options import MAP
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `learn`: raise it when its result changes


def fit(training: Training) -> Recognizer:
    """Train the teacher, then the student, and return the student. With `map_weight` 0, no teacher is trained.

    If the high views come from another dataset, the student is then trained on the target's low views, on labels alone.
    """
    epochs = int(training.options["joint_epochs"])
    alone = functools.partial(fit_classifier, training, high=False, epochs=epochs)
    student: Recognizer = training.recognizer(role="student", head="mean-logits")
    if float(training.options["map_weight"]) == 0:
        needs = ("low", *RECIPE, "joint_epochs")
        training.stage("student", alone, student, needs=needs, revision=CLASSIFIER_REVISION)
        return student
    teacher = t_net(training)
    training.stage(
        "student",
        functools.partial(learn, training, teacher),
        student,
        needs=("low", "high", *RECIPE, "joint_epochs", *MAP, teacher),
        revision=REVISION,
    )
    if training.plan.hr_source:
        needs = ("low", *RECIPE, "joint_epochs", student)
        training.stage("target", alone, student, needs=needs, revision=CLASSIFIER_REVISION)
    return student


def learn(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Train `student` in place on task + map_weight · map. The teacher is frozen; the projection is dropped."""
    options = training.options
    epochs, weight = int(options["joint_epochs"]), float(options["map_weight"])
    by_batch = options["teacher_norms"] == "batch"
    teacher.eval().requires_grad_(False)
    distance = map_distance(training, teacher, student)
    trained = [student, distance] if any(True for _ in distance.parameters()) else [student]
    views = training.views("train", low=True, high=True)
    recipe = training.recipe(trained, views, epochs)
    for batch in training.epochs(views, epochs, state=[*trained, recipe]):
        assert batch.low is not None and batch.high is not None
        with training.autocast():
            with torch.no_grad(), batch_statistics(teacher, use=by_batch):
                shown = teacher.trace(batch.high, batch.mask, batch.box).stages[-1]
            trace = student.trace(batch.low, batch.mask, batch.box)
            clips = len(batch.ids)
            apart = distance(volume(trace.stages[-1], clips), volume(shown, clips))
        task = training.task_loss(trace.logits, batch.target)
        loss = task + weight * apart
        recipe.step(loss)
        training.log(loss=loss, task=task, map=apart)


@torch.no_grad()
def map_distance(training: Training, teacher: Recognizer, student: Recognizer) -> CrossResolution:
    """Return a new loss for the last maps of both networks, on the device. Both are left in evaluation mode."""
    ours, theirs = (
        network.eval().trace(view).stages[-1].shape[1]
        for network, view in ((student, empty_low_view(training)), (teacher, empty_high_view(training)))
    )
    placed: CrossResolution = training.to_device(CrossResolution(ours, theirs, str(training.options["resize"])))
    return placed
