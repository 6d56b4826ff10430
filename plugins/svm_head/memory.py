"""The memory that a chi-square kernel between all training vectors takes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from elrbench import ElrError

if TYPE_CHECKING:
    from elrbench_plugins.svm_head.head import SvmHead

COPIES = 3  # of the features in memory: as stored, in order, as pooled


def needed(vectors: int, features: int, groups: int) -> int:
    """Return bytes for N vectors: float32 features, two float32 (N, N, groups), the kernel in float32 and float64."""
    return vectors * vectors * (2 * 4 * groups + 4 + 8) + COPIES * 4 * vectors * features


def installed(device: torch.device) -> int:
    """Return the memory of the device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def check_memory(head: SvmHead, vectors: int, device: torch.device, *, fewer: str) -> None:
    """Raise ElrError if a chi-square kernel between `vectors` training vectors takes more memory than the device has.

    fewer: how to have fewer vectors, for the message.
    """
    if head.kind != "chi2-svm" or device.type == "meta":
        return
    size, most = needed(vectors, sum(head.group_sizes), len(head.group_sizes)), installed(device)
    if size > most:
        raise ElrError(
            f"the chi-square kernel of {vectors} training vectors takes {size / 2**30:.1f} GiB, but the device "
            f"'{device}' has {most / 2**30:.1f} GiB; use {fewer} or method.head=linear-svm"
        )
