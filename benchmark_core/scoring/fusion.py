"""Late fusion: networks that saw the same clips in different ways, and the mean of the probabilities that they give.

The two-stream network averages softmax scores (Simonyan and Zisserman, NIPS 2014, section 2). Where classes are not
exclusive, the mean is of each class's sigmoid. Fused answers are kept as logits, so that they are scored as any others:

    exclusive      log of the mean of softmax, whose own softmax is that mean
    multi-label    log-odds of the mean of sigmoids, positive where the mean is above a half
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark_core.errors import ElrError
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Floats


def fuse(parts: Sequence[Predictions]) -> Predictions:
    """The mean of probabilities. ElrError where the parts are not of the same clips, targets and classes."""
    first = parts[0]
    for other in parts[1:]:
        for what, one, two in (("classes", first.classes, other.classes), ("clips", first.ids, other.ids)):
            if one != two:
                apart = set(one) ^ set(two)
                shown = f"{len(apart)} are in one alone (first: '{min(apart)}')" if apart else "their order differs"
                raise ElrError(f"predictions to be fused are not of the same {what}: {shown}; run both again")
        if not np.array_equal(first.targets, other.targets):
            raise ElrError("predictions to be fused have other targets for the same clips; run both again")
    mean = mean_of_sigmoids if first.targets.ndim == 2 else mean_of_softmax
    return Predictions(first.ids, first.targets, mean([part.logits for part in parts]), first.classes)


def mean_of_softmax(logits: Sequence[Floats]) -> Floats:
    """Logits (N, C) of each network to the logarithm of the mean of their softmax (N, C)."""
    return _log_mean([one - np.logaddexp.reduce(one, axis=1, keepdims=True) for one in logits])


def mean_of_sigmoids(logits: Sequence[Floats]) -> Floats:
    """Logits (N, C) of each network to the log-odds of the mean of their sigmoids (N, C)."""
    for_it = _log_mean([-np.logaddexp(0, -one) for one in logits])  # log p
    against = _log_mean([-np.logaddexp(0, one) for one in logits])  # log (1 - p)
    return for_it - against


def _log_mean(logs: Sequence[Floats]) -> Floats:
    """log of the mean of numbers given by their logarithms: finite where these are, however small the numbers."""
    mean: Floats = np.logaddexp.reduce(np.stack(logs), axis=0) - np.log(len(logs))
    return mean
