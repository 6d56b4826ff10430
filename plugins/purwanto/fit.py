"""Purwanto et al., 2019, section 4.2: the backbone and the attention network are trained one after the other."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmark_core.clips.sampling import Sampling
from benchmark_core.networks.assemble import map_shape
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.kd.fit import fit as fit_distilled
from elrbench_plugins.purwanto.options import HEAD
from elrbench_plugins.supervised.fit import student_stage

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.clips.views import Batch
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training
    from elrbench_plugins.purwanto.attention import SpatialTemporalAttention

REVISION = 1  # of `fit_head` and `features`: raised when what they give changes


def fit_attention(training: Training) -> Recognizer:
    """The student alone, then the attention network on its features."""
    return attended(training, student_stage(training))


def fit_system(training: Training) -> Recognizer:
    """A row of Table 2: the student alone or distilled, on what the plan's enhancer gives; then the attention network.

    Each stream is a run of its own.
    """
    options = training.options
    student = fit_distilled(training) if options["kd"] else student_stage(training)
    return attended(training, student) if options["sa"] else student


def attended(training: Training, student: Recognizer) -> Recognizer:
    """`student`, which stands still, with the attention network in place of its mean over chunks."""
    network = training.recognizer(role="student")
    network.enhancer.load_state_dict(student.enhancer.state_dict())
    network.backbone.load_state_dict(student.backbone.state_dict())
    training.stage(
        "attention",
        functools.partial(fit_head, training, student),
        network.head,
        needs=("low", *RECIPE, *HEAD, student),
        revision=REVISION,
    )
    return network


def fit_head(training: Training, student: Recognizer, head: SpatialTemporalAttention) -> None:
    """Trains `head` in place on the task loss, on features of all chunks of each clip; they are not augmented."""
    options = training.options
    epochs, batch_size = int(options["head_epochs"]), int(options["head_batch"])
    frames = (Sampling.parse(training.plan.sampling).t,) if student.dims == 3 else ()
    views = training.derive(
        "features",
        functools.partial(features, training, student),
        of=training.views("train", whole=True),
        by=[student],
        shape=map_shape(student.backbone, (student.channels, *frames, *training.plan.size)),
        revision=REVISION,
    )
    recipe = Recipe([head], {**options, "lr": options["head_lr"]}, epochs=epochs, steps=views.steps(batch_size))
    for batch in training.epochs(views, epochs, state=[head, recipe], batch=batch_size):
        with training.autocast():
            logits = head(batch.derived, batch.mask)  # (B, C)
        loss = training.task_loss(logits, batch.target)
        recipe.step(loss)
        training.log(loss=loss)


def features(training: Training, network: Recognizer, batch: Batch) -> Tensor:
    """Last stage maps of one clip's chunks, (K, F, [T,] h, w)."""
    assert batch.low is not None
    with training.autocast():
        return network.maps(batch.low)[0].float()
