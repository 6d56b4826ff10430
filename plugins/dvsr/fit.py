"""Train the enhancers (TinyVIRAT, section IV.A.4): first on reconstruction, then with attention and a classifier.

For clips as recorded there may be a network by 4 and one by 8. A stage trains them one after the other.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from elrbench_plugins.dvsr.enhancer import FRAMES, Attended, SuperResolution
from elrbench_plugins.dvsr.growth import FadeIn, target_of
from elrbench_plugins.dvsr.network import Attention
from elrbench_plugins.dvsr.options import END_TO_END, GROWTH, JOINT, RECONSTRUCTION, SHAPE
from elrbench_plugins.dvsr.pairs import pairs_of
from elrbench_plugins.dvsr.updates import Joint, Reconstruction

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.clips.views import Batch, Views
    from benchmark_core.training.training import Training

REVISION = 2  # of `learn`, `grow` and `attend`: raise it when their result changes
SAMPLING = f"1x{FRAMES}"
SAME = ("checkpoint", "train", "keep")  # options that do not change the result of a stage
COMMON = tuple(key for key in (*SHAPE, *RECONSTRUCTION) if key not in SAME)
FEW = 2.0  # pairs per update; below it a note is recorded
ALIVE = (0.01, 0.99)  # range of the mean of a useful attention map


def end_to_end(training: Training, module: SuperResolution) -> None:
    """Train DVSR end to end, all steps at once."""
    fn = functools.partial(learn, training)
    training.stage("dvsr", fn, module, needs=("low", "high", *COMMON, *END_TO_END), revision=REVISION)


def progressive(training: Training, module: SuperResolution) -> None:
    """Train progressive DVSR, step by step."""
    fn = functools.partial(grow, training)
    training.stage("prog-dvsr", fn, module, needs=("low", "high", *COMMON, *GROWTH), revision=REVISION)


def with_attention(training: Training, module: Attended) -> None:
    """Train progressive DVSR, in a stage shared with `prog-dvsr`; then network and attention branch by eq. 3."""
    progressive(training, module.super_resolution)
    needs = ("low", "high", "classifier", *COMMON, *JOINT, module.super_resolution)
    training.stage("prog-dvsr-att", functools.partial(attend, training), module, needs=needs, revision=REVISION)


def learn(training: Training, module: SuperResolution) -> None:
    """Train by eq. 1 with attention 1, on the output of the last step."""
    for scale in module.scales:
        network = module.network(scale).requires_grad_(True)
        update = Reconstruction(training, network)
        views, epochs = pairs(training), int(training.options["epochs"])
        for batch in training.epochs(views, epochs, state=[network, update]):
            low, high, _ = pair(training, module, scale, batch)
            training.log(**update(low, high))
    note_few_pairs(training)


def grow(training: Training, module: SuperResolution) -> None:
    """Train by eq. 1 with attention 1, step by step with fade-in. One optimiser is used throughout (authors' code)."""
    options = training.options
    for scale in module.scales:
        network = module.network(scale).requires_grad_(True)
        update = Reconstruction(training, network)
        for step in range(1, network.steps + 1):
            views, epochs = pairs(training), epochs_of(training, step, network.steps)
            fade = FadeIn(rise(training, views))
            for batch in training.epochs(views, epochs, state=[network, update, fade]):
                alpha = fade.alpha if step > 1 else 1.0
                low, high, _ = pair(training, module, scale, batch)
                target = target_of(high, step, network.steps, str(options["growth_frames"]))
                training.log(**update(low, target, step, alpha), alpha=alpha)
                fade.advance()
            if step > 1 and fade.alpha < 1:
                training.note(
                    f"the network by {scale} reached alpha {fade.alpha:.2f} in the step to {2**step} times its input "
                    "size, and is used at alpha 1; train more epochs or fade in faster"
                )
    note_few_pairs(training)


def attend(training: Training, module: Attended) -> None:
    """Train network and attention branch by eq. 3, alternating with a classifier that is discarded."""
    for scale in module.super_resolution.scales:
        network = module.super_resolution.network(scale).requires_grad_(True)
        branch = module.attentions[f"x{scale}"].requires_grad_(True)
        assert isinstance(branch, Attention)
        classifier = training.classifier()
        update = Joint(training, network, branch, classifier)
        views, epochs = pairs(training), int(training.options["joint_epochs"])
        for batch in training.epochs(views, epochs, state=[network, branch, classifier, update]):
            low, high, target = pair(training, module.super_resolution, scale, batch)
            training.log(**update(low, high, target))
        mean = training.history[-1]["attention"] if training.history else 0.5
        if not ALIVE[0] < mean < ALIVE[1]:
            training.note(
                f"attention of the network by {scale} has mean {mean:.3f}: it does not separate foreground from "
                "background"
            )
    note_few_pairs(training)


def pairs(training: Training) -> Views:
    """Return views of 16 consecutive frames of each training clip, low and high."""
    return training.views("train", low=True, high=True, sampling=SAMPLING)


def pair(training: Training, module: SuperResolution, scale: int, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """Return `pairs_of` the batch. For clips as recorded, log the number of pairs."""
    low, high, target = pairs_of(module, scale, batch, training.options)
    if isinstance(batch.high, list):
        training.log(pairs=float(len(low)) * batch.part.rows(len(batch.ids)) / len(batch.ids))
    return low, high, target


def note_few_pairs(training: Training) -> None:
    """Add a note if updates on clips as recorded had few pairs on average."""
    counts = [row["pairs"] for row in training.history if "pairs" in row]
    batch = int(training.options["batch"])
    if counts and sum(counts) / len(counts) < min(FEW, batch):
        training.note(
            f"on average {sum(counts) / len(counts):.1f} of {batch} clips in a batch were large enough for a pair; "
            "use a larger batch, a smaller enhancer.pair_least, or larger clips by --high-source"
        )


def epochs_of(training: Training, step: int, steps: int) -> int:
    """Return the number of epochs of a step of growth."""
    which = "first" if step == 1 else "last" if step == steps else "between"
    return int(training.options[f"epochs_{which}"])


def rise(training: Training, views: Views) -> float:
    """Return the increase of alpha per update."""
    options = training.options
    if options["fade"] == "updates":
        return float(options["fade_step"])
    return 1 / (float(options["fade_epochs"]) * views.steps(int(options["batch"])))
