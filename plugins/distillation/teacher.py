"""What both methods of distillation do alike: the teacher, the names of phases, the average of the two losses."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from benchmark_core.training.recipe_options import RECIPE
from elrbench_plugins.supervised.fit import REVISION as CLASSIFIER_REVISION
from elrbench_plugins.supervised.fit import fit_classifier

if TYPE_CHECKING:
    from torch import Tensor

    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

# What a phase is called gives the order of clips and their boxes, so each start has supervised's batches: of the
# student alone, or of what follows it in supervised:matched.
PHASE = {"fresh": "student", "student": "joint"}


def t_net(training: Training) -> Recognizer:
    """The teacher: method `teacher`'s stage where numbers are equal, or the network that the plan names."""
    network: Recognizer = training.teacher_stage(
        "teacher",
        functools.partial(fit_classifier, training, high=True, epochs=int(training.options["epochs"])),
        training.teacher(role="teacher", head="mean-logits"),
        needs=("high", *RECIPE),
        revision=CLASSIFIER_REVISION,
    )
    return network


def weighted(soft: Tensor, task: Tensor, alpha: float) -> Tensor:
    """The average of two scalars: T² times the softened cross-entropy (eq. 1) has `alpha`, the task loss the rest."""
    return alpha * soft + (1 - alpha) * task
