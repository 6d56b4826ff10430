"""Train isr: choose n transforms, then train a network, or an SVM, on n low views of each training clip.

Example, for a batch of one low view per clip::

    drawn = chosen.drawn().take(numbers)                                 # numbers: int64 (B,), one of n per clip
    made = training.degrade(transform(batch.high, drawn))                # transformed, degraded: (B, K, 3, T, h, w)
    logits = student(pick(numbers > 0, made, batch.low), batch.mask, batch.box)
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.isr.select import chosen_transforms
from elrbench_plugins.isr.svm import fit_svm
from elrbench_plugins.lr_transforms.pool import low_views, repeat_frames
from elrbench_plugins.lr_transforms.transforms import pick, transform
from elrbench_plugins.supervised.fit import student_stage

if TYPE_CHECKING:
    from benchmark_core.clips.views import Batch
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training
    from elrbench_plugins.isr.chosen import Chosen
    from elrbench_plugins.lr_transforms.transforms import Draw

REVISION = 1  # of `learn`: raise it when its result changes


def fit(training: Training) -> Recognizer:
    """Train and return the recognizer, which sees low views as they are. With n = 1, it is trained on them alone."""
    options = training.options
    if options["classifier"] == "svm":
        return fit_svm(training)
    if options["transforms"] == 1:
        return student_stage(training)
    chosen = chosen_transforms(training)
    student: Recognizer = training.recognizer(role="student", head="mean-logits")
    training.stage(
        "student",
        functools.partial(learn, training, chosen),
        student,
        needs=("low", "high", *RECIPE, "per_update", chosen),
        revision=REVISION,
    )
    return student


def learn(training: Training, chosen: Chosen, student: Recognizer) -> None:
    """Train `student` in place on the task loss of low views under the chosen transforms."""
    options = training.options
    epochs, several = int(options["epochs"]), options["per_update"] == "all"
    drawn = chosen.drawn()
    number = len(drawn.scale)
    views = training.views("train", low=True, high=True)
    recipe = training.recipe(student, views, epochs)
    for batch in training.epochs(views, epochs, state=[student, recipe]):
        if several:
            low, mask, box = low_views(training.degrade, batch, drawn)
            target = batch.target.repeat_interleave(number, 0)
        else:
            low, mask, box, target = one_view(training, batch, drawn), batch.mask, batch.box, batch.target
        with training.autocast():
            logits = student(low, mask, box)  # (B, C), or (B*n, C)
        loss = training.task_loss(logits, target)
        recipe.step(loss)
        training.log(loss=loss)


def one_view(training: Training, batch: Batch, drawn: Draw) -> Tensor:
    """Return one low view of each clip, (B, K, 3, T, h, w), under one of the n transforms, drawn by the generator."""
    assert isinstance(batch.high, Tensor) and isinstance(batch.low, Tensor)
    part = batch.part
    drawn_numbers = training.rng.integers(len(drawn.scale), size=part.rows(len(batch.ids)))
    numbers = torch.from_numpy(part.of(drawn_numbers)).to(training.device)  # (B,)
    made = repeat_frames(training.degrade(transform(batch.high, drawn.take(numbers))), batch.high)
    return pick(numbers > 0, made.to(batch.low.dtype), batch.low)
