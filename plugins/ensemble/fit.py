"""Train the members apart on labels, and one network on the mean of their logits."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.distillation.teacher import weighted
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier, student_stage

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.clips.views import Batch
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `learn_mean`: raise it when its result changes


def ensemble(training: Training) -> Recognizer:
    """Train the members and return the recognizer of all of them."""
    networks = members(training)
    whole = training.recognizer(role="student")
    for place, network in zip(whole.backbone.members, networks, strict=True):
        place.load_state_dict(network.backbone.state_dict())
    whole.enhancer.load_state_dict(networks[0].enhancer.state_dict())
    return whole


def distilled(training: Training) -> Recognizer:
    """Train the members, and return one network that learnt from them."""
    networks = members(training)
    student: Recognizer = training.stage(
        "joint",
        functools.partial(learn_mean, training, networks),
        training.recognizer(role="student"),
        needs=("low", *RECIPE, "joint_epochs", "alpha", "temperature", *networks),
        revision=REVISION,
    )
    return student


def members(training: Training) -> list[Recognizer]:
    """Train and return the members, each in a stage of its own."""
    return [member(training, number) for number in range(1, int(training.options["members"]) + 1)]


def member(training: Training, number: int) -> Recognizer:
    """Train and return one member. The first is the student of method `supervised`, the same stage.

    A stage's name seeds the order of clips and their augmentation; the role seeds the initial weights.
    """
    if number == 1:
        return student_stage(training)
    network: Recognizer = training.stage(
        f"member-{number}",
        functools.partial(fit_classifier, training, high=False, epochs=int(training.options["epochs"])),
        training.recognizer(role=f"member-{number}", head="mean-logits"),
        needs=("low", *RECIPE),
        revision=CLASSIFIER_REVISION,
    )
    return network


def learn_mean(training: Training, networks: Sequence[Recognizer], student: Recognizer) -> None:
    """Train `student` in place on labels and on the members' mean, for `joint_epochs`. The members are frozen."""
    options = training.options
    epochs, alpha, temperature = int(options["joint_epochs"]), float(options["alpha"]), float(options["temperature"])
    for network in networks:
        network.eval().requires_grad_(False)
    views = training.views("train")
    recipe = training.recipe(student, views, epochs)
    for batch in training.epochs(views, epochs, state=[student, recipe]):
        with training.autocast():
            teacher = mean_logits(networks, batch)  # (B, C)
            logits = student(batch.low, batch.mask, batch.box)  # (B, C)
        soft = training.soft_loss(logits, teacher, temperature)
        task = training.task_loss(logits, batch.target)
        loss = weighted(soft, task, alpha)
        recipe.step(loss)
        training.log(loss=loss, soft=soft, task=task)


@torch.no_grad()
def mean_logits(networks: Sequence[Recognizer], batch: Batch) -> Tensor:
    """Return the mean of the members' logits (B, C): the geometric mean of their softened probabilities."""
    return torch.stack([network(batch.low, batch.mask, batch.box) for network in networks]).mean(0)
