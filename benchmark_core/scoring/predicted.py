"""What a recognizer makes of clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Logits float32 (N, C) of clips in listed order. targets: int (N,), 0/1 (N, C), or None for unlabelled clips.

    bad: ids of clips that cannot be decoded. padded: number of clips that are too short for the sampling, so that their
    last frame is repeated.
    """

    ids: tuple[str, ...]
    targets: npt.NDArray[Any] | None
    logits: npt.NDArray[np.float32]
    bad: tuple[str, ...]
    padded: int
