"""Compute in float32 where a caller runs under autocast."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def full_precision(device: torch.device) -> AbstractContextManager[None]:
    """Return a context without autocast; tensors on "meta", which have no values, need none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
