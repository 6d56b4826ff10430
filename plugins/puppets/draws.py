"""Random numbers that stay the same: raw PCG64 words, whose stream numpy guarantees, turned into numbers here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

GENERATOR_VERSION = 1  # part of every clip's key; raised whenever a pixel or a label of any clip changes

Thing = TypeVar("Thing")

SUBJECT, SCENE, MOTION, NOISE, CAST = 1, 2, 3, 4, 5  # streams: what a clip shows never shifts what its noise is


class Draws:
    """A stream of numbers for one purpose (`stream`) of one subject or clip (`number`) under `seed`."""

    def __init__(self, stream: int, seed: int, number: int) -> None:
        # Always four words: a seed sequence cannot tell a missing word from a zero.
        self._bits = np.random.PCG64([GENERATOR_VERSION, stream, seed, number])

    def units(self, count: int) -> npt.NDArray[np.float64]:
        """`count` numbers in [0, 1)."""
        return (self._bits.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        return low + (high - low) * float(self.units(1)[0])

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return float(self.units(1)[0]) < probability

    def pick(self, things: Sequence[Thing]) -> Thing:
        """One of them, all equally likely."""
        return things[int(float(self.units(1)[0]) * len(things))]

    def grid(self, *shape: int) -> npt.NDArray[np.float32]:
        """Numbers in [-1, 1) of this shape."""
        return (2 * self.units(int(np.prod(shape))) - 1).reshape(shape).astype(np.float32)

    def octets(self, count: int) -> npt.NDArray[np.uint8]:
        """`count` bytes, eight to a word."""
        return self._bits.random_raw(-(-count // 8)).astype("<u8").view(np.uint8)[:count]
