"""Train multi-siamese: n low views of each scene, one network, contrastive and classification losses."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from torch import Tensor

from elrbench_plugins.lr_transforms.pool import low_views, pool
from elrbench_plugins.multi_siamese.losses import contrastive
from elrbench_plugins.multi_siamese.options import OPTIONS

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer, Trace
    from benchmark_core.training.training import Training

REVISION = 2  # of `learn`: raise it when its result changes


def fit(training: Training) -> Recognizer:
    """Train and return the network. One branch is deployed, on the low view as it is."""
    student: Recognizer = training.recognizer(role="student", head="mean-logits")
    training.stage(
        "student",
        functools.partial(learn, training),
        student,
        needs=("low", "high", *OPTIONS),
        revision=REVISION,
    )
    return student


def learn(training: Training, student: Recognizer) -> None:
    """Train `student` in place on classification + contrast_weight · contrastive."""
    options = training.options
    epochs, weight, margin = int(options["epochs"]), float(options["contrast_weight"]), float(options["margin"])
    number = int(options["transforms"])
    strength = {key: float(options[f"transform_{key}"]) for key in ("shift", "scale", "angle")}
    low = training.components.degradation.low or training.plan.size
    drawn = pool(training.plan.seed, number, low=low, **strength).to(training.device)
    views = training.views("train", low=True, high=True)
    recipe = training.recipe(student, views, epochs)
    for batch in training.epochs(views, epochs, state=[student, recipe]):
        target = batch.target.repeat_interleave(number, 0)
        low, mask, box = low_views(training.degrade, batch, drawn)  # in full precision, as stored views are made
        with training.autocast():
            trace = student.trace(low, mask, box)
        task = loss = training.task_loss(trace.logits, target)
        if weight > 0:
            labels = training.whole(batch.target) if options["negatives"] == "classes" else None
            embeddings = training.whole(embedded(trace, number))
            contrast = contrastive(embeddings, margin, unit=bool(options["unit"]), labels=labels)
            loss = task + weight * contrast
            training.log(contrast=contrast)
        recipe.step(loss)
        training.log(loss=loss, task=task)


def embedded(trace: Trace, number: int) -> Tensor:
    """Return embeddings (B, n, E): the mean features of a view's real intervals."""
    assert trace.mask is not None
    real = (trace.mask > 0).unsqueeze(-1)  # (B*n, K, 1)
    mean: Tensor = (trace.features * real).sum(1) / real.sum(1)
    return mean.unflatten(0, (-1, number))
