"""Refuse training clips that do not fit into the device's memory before their series are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elrbench import ElrError
from elrbench_plugins.svm_head.memory import installed

if TYPE_CHECKING:
    import torch

COPIES = 2  # the batch of all series, and the head's own
FLOAT = 4  # bytes


def check_memory(clips: int, frames: int, pixels: int, device: torch.device) -> None:
    """Raise ElrError if the series of the training clips take more memory than the device has."""
    if (size := COPIES * FLOAT * clips * frames * pixels) > (most := installed(device)):
        raise ElrError(
            f"the series of {clips} training clips of {frames} frames with {pixels} pixels take {size / 2**30:.1f} "
            f"GiB, but the device '{device}' has {most / 2**30:.1f} GiB; use fewer frames, e.g. --sampling clip-16, or "
            "a smaller low size"
        )
