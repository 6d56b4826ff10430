"""Guess a clip's target from the name of its action alone: what an attacker can tell without a look at the clip.

Where the target is the person, or an attribute of a person, actions tell something: most smokers of a set may be men.
The advantage of a recognizer is its score minus the score of this guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.scoring.statistics import Floats

ALL = 1e-3  # weight of the shares of all training clips: they decide ties and actions without training clips


def guess(seen: Sequence[str], targets: npt.NDArray[Any], asked: Sequence[str], classes: int) -> Floats:
    """Return logits (N, C) for the N actions `asked`, from training clips of the actions `seen`.

    targets: of the training clips, class numbers (M,) or 0/1 (M, C). The logits state the share of training clips with
    the action that have the class: its logarithm, or its log-odds for targets 0/1.
    """
    single = targets.ndim == 1
    truth = np.eye(classes)[targets] if single else (targets > 0).astype(float)  # (M, C)
    names, inverse = np.unique(np.array([*seen, *asked]), return_inverse=True)
    of_seen, of_asked = inverse[: len(seen)], inverse[len(seen) :]
    counts = np.zeros((len(names), classes))
    np.add.at(counts, of_seen, truth)
    clips = np.bincount(of_seen, minlength=len(names))[:, None]
    shares = (counts + ALL * truth.mean(axis=0)) / (clips + ALL)  # (actions, C)
    shares = shares.clip(1e-9, 1 - 1e-9)
    logits: Floats = np.log(shares) if single else np.log(shares) - np.log1p(-shares)
    return logits[of_asked]
