"""The memory that a chi-square kernel between all training vectors takes."""

from __future__ import annotations

import os

import torch

from elrbench import ElrError


def needed(vectors: int, groups: int) -> int:
    """Return bytes for N vectors: two float32 (N, N, groups), the kernel in float32, and in float64 for LIBSVM."""
    return vectors * vectors * (2 * 4 * groups + 4 + 8)


def installed(device: torch.device) -> int:
    """Return the memory of the device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(vectors: int, groups: int, device: torch.device) -> None:
    """Raise ElrError if the kernel takes more memory than the device has."""
    if (size := needed(vectors, groups)) > (most := installed(device)):
        raise ElrError(
            f"the chi-square kernel of {vectors} training vectors takes {size / 2**30:.1f} GiB, but the device "
            f"'{device}' has {most / 2**30:.1f} GiB; use fewer vectors, e.g. a lower method.transforms, or "
            "method.head=linear-svm"
        )
