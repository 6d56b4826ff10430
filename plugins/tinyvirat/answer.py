"""The Tiny Actions challenge's submission: a line a video, its number and 26 zeros and ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from benchmark_core.errors import ElrError
from elrbench_plugins.tinyvirat import CLASSES


def answer(ids: Sequence[str], logits: npt.NDArray[np.floating]) -> str:
    """`00042 0 0 1 …`: classes in class-map order, 1 where the sigmoid of the logit (N, C) is above 0.5, that is, the
    logit above 0. Lines are sorted by number. ElrError where classes are not the 26, or a clip's file is not named
    after its number.
    """
    if logits.shape[1] != len(CLASSES):
        raise ElrError(f"the challenge asks for all {len(CLASSES)} classes, and this run has {logits.shape[1]} of them")
    lines = []
    for key, row in zip(ids, logits, strict=True):
        name = PurePosixPath(key).name
        if not (name.isascii() and name.isdigit()):
            raise ElrError(f"clip '{key}' is not named after its number, as the challenge's test clips are: 00042.mp4")
        lines.append((int(name), f"{int(name):05d} " + " ".join("1" if logit > 0 else "0" for logit in row)))
    return "".join(f"{line}\n" for _, line in sorted(lines))
