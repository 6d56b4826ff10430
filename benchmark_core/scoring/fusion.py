"""Late fusion: the mean of the probabilities that several networks give to the same clips.

The two-stream network averages softmax scores (Simonyan and Zisserman, NIPS 2014, section 2). Multi-label tasks average
the sigmoids of each class. The result is stored as logits, so that it is scored like any other predictions:

    single-label   log of the mean of the softmax; its own softmax is that mean
    multi-label    log-odds of the mean of the sigmoids; positive if the mean is above 0.5
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Floats


def fuse(parts: Sequence[Predictions]) -> Predictions:
    """Return the mean of probabilities. ElrError if the parts differ in clips, targets or classes."""
    first = parts[0]
    for other in parts[1:]:
        for what, one, two in (("classes", first.classes, other.classes), ("clips", first.ids, other.ids)):
            if one != two:
                apart = set(one) ^ set(two)
                detail = f"{len(apart)} are in only one (first: '{min(apart)}')" if apart else "their order differs"
                raise ElrError(f"cannot fuse predictions of different {what}: {detail}; run both again")
        if not np.array_equal(first.targets, other.targets):
            raise ElrError("cannot fuse predictions with different targets for the same clips; run both again")
    mean = mean_of_sigmoids if first.targets.ndim == 2 else mean_of_softmax
    return Predictions(first.ids, first.targets, mean([part.logits for part in parts]), first.classes)


def mean_of_softmax(logits: Sequence[Floats]) -> Floats:
    """Return the logarithm (N, C) of the mean softmax of several logits (N, C)."""
    return _log_mean([one - np.logaddexp.reduce(one, axis=1, keepdims=True) for one in logits])


def mean_of_sigmoids(logits: Sequence[Floats]) -> Floats:
    """Return the log-odds (N, C) of the mean sigmoid of several logits (N, C)."""
    positive = _log_mean([-np.logaddexp(0, -one) for one in logits])  # log p
    negative = _log_mean([-np.logaddexp(0, one) for one in logits])  # log (1 - p)
    return positive - negative


def _log_mean(logs: Sequence[Floats]) -> Floats:
    """Return log(mean(exp(logs))), computed without underflow."""
    mean: Floats = np.logaddexp.reduce(np.stack(logs), axis=0) - np.log(len(logs))
    return mean
