"""Labels and probabilities of predicted clips, as `elrbench predict` writes them next to the logits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, softmax


def predicted_labels(logits: npt.NDArray[Any], classes: Sequence[str], *, multi_label: bool) -> Mapping[str, list[str]]:
    """Return the columns "label" and "probability" of clips with logits (N, C).

    Single-label: the likeliest class and its softmax probability. Multi-label: every class whose sigmoid probability is
    above 0.5, joined by ";", and their probabilities also; both are empty if no class is.
    """
    scores = np.asarray(logits, dtype=np.float64)
    if multi_label:
        probabilities = expit(scores)
        chosen = [np.flatnonzero(row > 0) for row in scores]
    else:
        probabilities = softmax(scores, axis=1)
        chosen = [np.array([row.argmax()]) for row in scores]
    return {
        "label": [";".join(classes[int(number)] for number in numbers) for numbers in chosen],
        "probability": [
            ";".join(f"{row[number]:.4f}" for number in numbers)
            for row, numbers in zip(probabilities, chosen, strict=True)
        ],
    }
