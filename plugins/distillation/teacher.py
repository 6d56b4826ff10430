"""What kd and strong-kd share: the teacher's stage, the names of the student's stages, the weighted loss."""

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

# Option `start` -> name of the student's stage. The name seeds the order of clips and their crops, so each start gets
# the same batches as supervised: those of its first stage, or those of the second stage of supervised:matched.
PHASE = {"fresh": "student", "student": "joint"}


def t_net(training: Training) -> Recognizer:
    """Return the teacher: trained in the same stage as method `teacher`, or the network that --teacher names."""
    network: Recognizer = training.teacher_stage(
        "teacher",
        functools.partial(fit_classifier, training, high=True, epochs=int(training.options["epochs"])),
        training.teacher(role="teacher", head="mean-logits"),
        needs=("high", *RECIPE),
        revision=CLASSIFIER_REVISION,
    )
    return network


def weighted(soft: Tensor, task: Tensor, alpha: float) -> Tensor:
    """Return alpha * soft + (1 - alpha) * task, both scalars. soft: T² times the cross-entropy of softened outputs."""
    return alpha * soft + (1 - alpha) * task
