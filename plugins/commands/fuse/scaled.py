"""Average logits of one scale, for parts that differ in confidence: margins of an SVM, networks trained with mixup.

Scores are divided by their spread before they are added, as in the sum rule after z-scores of Jain, Nandakumar and Ross
(Pattern Recognition 38, 2005, section 3). Their z-score takes mean and deviation over scores of training data; here the
mean is that of a clip's classes, which does not change its order of classes, and the deviation is that of the run.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark_core.scoring.fusion import fuse
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.scoring.statistics import Floats


def fuse_scaled(parts: Sequence[Predictions]) -> Predictions:
    """Return the mean of scaled logits. ElrError if the parts differ in clips, targets or classes."""
    checked = fuse(parts)
    mean = np.mean([scaled(part.logits, multi_label=part.targets.ndim == 2) for part in parts], axis=0)
    return Predictions(checked.ids, checked.targets, mean, checked.classes)


def scaled(logits: Floats, *, multi_label: bool) -> Floats:
    """Return logits (N, C) with root mean square 1 over all clips and classes.

    Without `multi_label`, the mean over classes is subtracted first. With it, zero stays the threshold of a label.
    """
    centred = logits if multi_label else logits - logits.mean(axis=1, keepdims=True)
    size = np.sqrt(np.mean(np.square(centred)))
    result: Floats = centred / size if size else centred
    return result
