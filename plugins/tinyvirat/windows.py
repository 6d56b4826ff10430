"""F1 over windows of 16 frames, as TinyVIRAT's public test code (`test_diva.py`) computes it.

That code scores every window on its own, against the labels of its clip. It leaves out the frames at the end of a clip
that fill no window; a clip shorter than one window is one window, with its last frame repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.f1 import RAW_THRESHOLD, Counts
from benchmark_core.scoring.scores import Score
from benchmark_core.scoring.statistics import bootstrap

THRESHOLDS: Mapping[str, float] = {  # a class is predicted if its logit is above this
    "f1_macro_windows": 0.0,
    f"f1_macro_windows_logit{RAW_THRESHOLD}": RAW_THRESHOLD,
}


def window_scores(logits: Sequence[npt.NDArray[Any]], targets: npt.NDArray[Any]) -> dict[str, Score]:
    """Return the mean over classes of the F1 over windows, with its 95 % bootstrap interval over clips.

    logits: (K_i, C) for each of N clips, their whole windows. targets: 0/1 (N, C).
    """
    windows = np.array([len(clip) for clip in logits], dtype=np.float64)  # (N,)
    truth = targets > 0
    scores = {}
    for name, threshold in THRESHOLDS.items():
        predicted = np.stack([(clip > threshold).sum(axis=0) for clip in logits]).astype(np.float64)  # (N, C)
        counts = Counts(
            both=predicted * truth, either=predicted + windows[:, None] * truth
        )  # sums over a clip's windows
        value = float(counts.macro(np.ones((1, len(truth))))[0])
        scores[name] = Score(value, *bootstrap(counts.macro, len(truth)), int(windows.sum()), "bootstrap95")
    return scores
