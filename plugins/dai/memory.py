"""Refuse training clips that do not fit into the device's memory before their series are computed."""

from __future__ import annotations

import os

import torch

from elrbench import ElrError

COPIES = 2  # the batch of all series, and the head's own
FLOAT = 4  # bytes


def installed(device: torch.device) -> int:
    """Return the memory of the device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(clips: int, frames: int, pixels: int, device: torch.device) -> None:
    """Raise ElrError if the series of the training clips take more memory than the device has."""
    if (size := COPIES * FLOAT * clips * frames * pixels) > (most := installed(device)):
        raise ElrError(
            f"the series of {clips} training clips of {frames} frames with {pixels} pixels take {size / 2**30:.1f} "
            f"GiB, but the device '{device}' has {most / 2**30:.1f} GiB; use fewer frames, e.g. --sampling clip-16, or "
            "a smaller low size"
        )
