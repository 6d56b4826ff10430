"""STAT's training (section 4.2): the stages of attention transfer with STAT's distance, without confidence."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark_core.specs import Value
from elrbench_plugins.attention_transfer.losses import Distance
from elrbench_plugins.attention_transfer.phase import train_with_attention
from elrbench_plugins.attention_transfer.stages import fit_phases
from elrbench_plugins.stat.losses import normalised_difference

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training

REVISION = 1  # of `transfer` and `pretrain`: raise it when their result changes


def fit(training: Training) -> Recognizer:
    """Train and return the recognizer."""
    return fit_phases(training, pretrain=pretrain, transfer=transfer, revision=REVISION)


def transfer(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Train the joint phase (eq. 4)."""
    train_with_attention(training, teacher, student, distance=distance_of(training.options))


def pretrain(training: Training, teacher: Recognizer, student: Recognizer) -> None:
    """Train on unlabelled clips: SAT and TAT alone (section 3.3.1)."""
    unlabelled = str(training.options["unlabelled"])
    train_with_attention(training, teacher, student, distance=distance_of(training.options), unlabelled=unlabelled)


def distance_of(options: Mapping[str, Value]) -> Distance:
    """Return the distance of eq. 2 and 3 with the options' norm, squared or not."""
    return functools.partial(normalised_difference, p=float(options["norm_p"]), squared=bool(options["squared"]))
