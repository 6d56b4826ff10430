"""Submission file of the Tiny Actions challenge: one line per video, its number and 26 zeros and ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError
from elrbench_plugins.tinyvirat import CLASSES


def answer(ids: Sequence[str], logits: npt.NDArray[np.floating]) -> str:
    """Return the lines of a submission, such as `00042 0 0 1 …`, sorted by number.

    A class is 1 if the sigmoid of its logit (N, C) is above 0.5, that is, if the logit is above 0. Classes are in the
    order of the class map. Raises ElrError if there are not 26 classes, or a file name is not a number.
    """
    if logits.shape[1] != len(CLASSES):
        raise ElrError(f"the challenge needs all {len(CLASSES)} classes, but this run has {logits.shape[1]}")
    lines = []
    for key, row in zip(ids, logits, strict=True):
        name = PurePosixPath(key).name
        if not (name.isascii() and name.isdigit()):
            raise ElrError(
                f"clip '{key}': its file name is not a number; the challenge's test clips are named like 00042.mp4"
            )
        lines.append((int(name), f"{int(name):05d} " + " ".join("1" if logit > 0 else "0" for logit in row)))
    return "".join(f"{line}\n" for _, line in sorted(lines))
