"""Train the backbone, then the attention network on its features (Purwanto et al., 2019, section 4.2)."""

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

REVISION = 1  # of `fit_head` and `features`: raise it when their result changes


def fit_attention(training: Training) -> Recognizer:
    """Train the student alone, then the attention network on its features; return the recognizer."""
    return attended(training, student_stage(training))


def fit_system(training: Training) -> Recognizer:
    """Train a row of Table 2 and return the recognizer.

    The student is trained alone or distilled, on views from the plan's enhancer. With option `sa`, the attention
    network follows. Each stream is a separate run.
    """
    options = training.options
    student = fit_distilled(training) if options["kd"] else student_stage(training)
    return attended(training, student) if options["sa"] else student


def attended(training: Training, student: Recognizer) -> Recognizer:
    """Return the student, frozen, with a trained attention network instead of the mean over chunks."""
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
    """Train `head` in place on the task loss, on features of all chunks of each clip, without augmentation."""
    options = training.options
    epochs, batch_size = int(options["head_epochs"]), int(options["head_batch"])
    frames = (Sampling.parse(training.plan.sampling).t,) if student.dims == 3 else ()
    views = training.derive(
        "features",
        functools.partial(features, training, student),
        of=training.views("train", whole=True),
        by=[student],
        shape=map_shape(student.backbone, (student.input_channels, *frames, *training.plan.size)),
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
    """Return the last stage maps of one clip's chunks, (K, F, [T,] h, w)."""
    assert batch.low is not None
    with training.autocast():
        return network.maps(batch.low)[0].float()
