"""From probabilities of windows to labels: smoothing over time, and a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float32]  # (C,)


@dataclass
class Decisions:
    """Smooth the probabilities of successive windows, and name the classes that reach the threshold.

    smooth: a in p_t = a p_{t-1} + (1 - a) q_t, with q_t the probabilities of window t; 0: no smoothing.
    threshold: smallest probability of a label.
    """

    classes: Sequence[str]
    multi_label: bool
    smooth: float
    threshold: float
    probabilities: Probabilities | None = field(default=None, init=False)

    def __call__(self, found: Probabilities) -> tuple[str, ...]:
        """Return the labels after one more window: the best class, or all of a multi-label task; () for none."""
        before = self.probabilities
        self.probabilities = found if before is None else self.smooth * before + (1 - self.smooth) * found
        order = np.argsort(-self.probabilities, kind="stable")
        if not self.multi_label:
            order = order[:1]
        return tuple(self.classes[index] for index in order if self.probabilities[index] >= self.threshold)
