"""Random numbers that depend on names alone: what was cached, resumed or run in parallel cannot change them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_of(*parts: object) -> int:
    """A 63-bit seed from names and numbers, e.g. (plan.seed, "student", epoch)."""
    text = "\x1f".join(map(str, parts))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(*parts: object) -> np.random.Generator:
    """A numpy generator seeded by `parts`."""
    return np.random.Generator(np.random.PCG64(seed_of(*parts)))


@contextmanager
def seeded(*parts: object) -> Iterator[None]:
    """torch's global generators seeded by `parts` within the block, and left as they were after it."""
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(*parts))
        yield
