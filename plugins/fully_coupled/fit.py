"""Train fully-coupled: one network on low and on high views."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmark_core.networks.assemble import ResizeIfNeeded
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.training.recipe import Recipe
from elrbench_plugins.fully_coupled.options import OPTIONS
from elrbench_plugins.fully_coupled.sharing import own_norms, passes, twin, updates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from benchmark_core.specs import Value
    from elrbench import Batch, Training

REVISION = 2  # of `learn`: raise it when its result changes
COLOURS = (1.0, 1.0, 1.0)  # placeholders of the student's mean and standard deviation


def fit(training: Training) -> Recognizer:
    """Train and return the network. Only its own normalisation layers for high views, if any, are dropped."""
    student: Recognizer = training.recognizer(role="student")
    training.stage(
        "student",
        functools.partial(learn, training),
        student,
        needs=("low", *(["high"] if training.options["coupled"] else []), *OPTIONS),
        revision=REVISION,
    )
    return student


def learn(training: Training, student: Recognizer) -> None:
    """Train `student` in place on low views and, if coupled, through the same filters on high views."""
    options = training.options
    coupled, sharing, epochs = bool(options["coupled"]), str(options["sharing"]), int(options["epochs"])
    networks = {"low": student}
    if coupled:
        networks["high"] = on_high(training, student)
    norms = own_norms(student, networks["high"]) if coupled else own_norms(student, student)
    views = training.views("train", low=True, high=coupled)
    steps = views.steps(int(options["batch"])) * len(updates(sharing, 0, epochs, coupled=coupled))
    total = epochs * passes(sharing, coupled=coupled)
    once = epochs if sharing == "high-first" else total  # passes of the schedule
    recipe = Recipe([student, norms], over_passes(options, once // epochs), epochs=once, steps=steps)
    for batch in training.epochs(views, total, state=[student, norms, recipe]):
        if recipe.updates == once * steps:
            recipe.updates = 0  # the schedule begins again with the low views
        for parts in updates(sharing, batch.epoch, epochs, coupled=coupled):
            losses = {part: loss_of(training, networks[part], batch, part) for part in parts}
            weight = float(options["high_weight"])
            recipe.step(sum(loss if part == "low" else weight * loss for part, loss in losses.items()))
            training.log(**{"loss" if part == "low" else "high_loss": loss for part, loss in losses.items()})


def over_passes(options: Mapping[str, Value], passes: int) -> dict[str, Value]:
    """Return options whose epochs of the schedule, which count low views, count passes over low and high views."""
    return {**options, **{key: passes * int(options[key]) for key in ("step_epochs", "warmup_epochs")}}


def on_high(training: Training, student: Recognizer) -> Recognizer:
    """Return the recognizer of high views, which has the student's filters and GRUs and no enhancer."""
    size = training.plan.high_size
    network = Recognizer(
        enhancer=ResizeIfNeeded(size),
        backbone=twin(student.backbone, norms=str(training.options["norms"])),
        head=student.head,
        dims=student.dims,
        mean=COLOURS,
        std=COLOURS,
        frames=student.frames,
        size=size,
    )
    network.mean, network.std = student.mean, student.std
    return network.to(training.device)


def loss_of(training: Training, network: Recognizer, batch: Batch, part: str) -> Tensor:
    """Return the task loss of the low or the high views of a batch, a scalar."""
    view = batch.low if part == "low" else batch.high
    assert view is not None
    with training.autocast():
        logits = network(view, batch.mask, batch.box)  # (B, C)
    return training.task_loss(logits, batch.target)
