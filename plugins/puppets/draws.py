"""Reproducible random numbers, made from raw PCG64 words, whose stream numpy guarantees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

GENERATOR_VERSION = 1  # part of each clip's key; increased when a pixel or a label of any clip changes

Thing = TypeVar("Thing")

SUBJECT, SCENE, MOTION, NOISE, CAST, PROGRAM, CLOTHES = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
)  # streams: the scene of a clip never changes its noise


class Draws:
    """Random numbers for one purpose (`stream`) of one subject or clip (`number`) and a `seed`."""

    def __init__(self, stream: int, seed: int, number: int) -> None:
        # Always four words: in a seed sequence, a missing word equals a zero.
        self._bits = np.random.PCG64([GENERATOR_VERSION, stream, seed, number])

    def units(self, count: int) -> npt.NDArray[np.float64]:
        """Return `count` numbers in [0, 1)."""
        return (self._bits.random_raw(count) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * float(self.units(1)[0])

    def chance(self, probability: float) -> bool:
        """Return True with this probability."""
        return float(self.units(1)[0]) < probability

    def pick(self, things: Sequence[Thing]) -> Thing:
        """Return one of the things, all equally likely."""
        return things[int(float(self.units(1)[0]) * len(things))]

    def grid(self, *shape: int) -> npt.NDArray[np.float32]:
        """Return numbers in [-1, 1) of this shape."""
        return (2 * self.units(int(np.prod(shape))) - 1).reshape(shape).astype(np.float32)

    def octets(self, count: int) -> npt.NDArray[np.uint8]:
        """Return `count` bytes, eight per word."""
        return self._bits.random_raw(-(-count // 8)).astype("<u8").view(np.uint8)[:count]
