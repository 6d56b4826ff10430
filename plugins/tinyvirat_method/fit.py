"""Train TinyVIRAT's classifier on enhanced views (section IV.B)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench_plugins.supervised.fit import student_stage, teacher

if TYPE_CHECKING:
    from benchmark_core.networks.recognizer import Recognizer
    from benchmark_core.training.training import Training


def fit(training: Training) -> Recognizer:
    """Train by eq. 4, the task loss of A(G(V_LR)) with G trained before and frozen, and return the recognizer.

    Multi-label tasks use binary cross-entropy, as eq. 2 does. With sees=high, A is trained on high views. The stage is
    shared with supervised if the numbers are equal.
    """
    return student_stage(training) if training.options["sees"] == "low" else teacher(training)
