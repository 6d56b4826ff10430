"""Seeds that depend on names alone, so that caching, resuming and parallel runs do not change random numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(*parts: object) -> int:
    """Return a 63-bit seed from names and numbers, e.g. (plan.seed, "student", epoch)."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    """Return a numpy generator seeded by `parts`."""
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))


class _Forked:
    devices: list[int] | None = None  # GPUs whose generators `seeded` restores; None: all


def restore_only(devices: list[int]) -> None:
    """Let `seeded` restore the generators of these GPUs alone: the others belong to other processes."""
    _Forked.devices = devices


@contextmanager
def seeded(*parts: object) -> Iterator[None]:
    """Seed torch's global generators by `parts` inside the block; restore them after it."""
    with torch.random.fork_rng(_Forked.devices):
        torch.manual_seed(seed_of(*parts))
        yield
