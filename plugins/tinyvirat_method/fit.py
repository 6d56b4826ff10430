"""TinyVIRAT, section IV.B: the classifier on what the enhancer gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench_plugins.supervised.fit import student_stage, teacher

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training


def fit(training: Training) -> Recognizer:
    """Eq. 4: the task loss of A(G(V_LR)), G fitted by its own stages and standing still; or of A on high views.

    With several labels it is binary cross-entropy, as eq. 2 has it. The stage is supervised's where numbers are equal.
    """
    return student_stage(training) if training.options["sees"] == "low" else teacher(training)
