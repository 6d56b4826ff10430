"""Decision boundary matching (Ryoo et al., AAAI 2017, method 1): Metropolis-Hastings over sets of n transforms.

The set S* = argmin_S sum_x |h(x; θ*) - h(x; θ(S))| decides most like θ*, the classifier of the whole pool. Sets are
sampled from π(S) ∝ exp(-sharpness · sum_x |h(x; θ*) - h(x; θ(S))|); a proposal S' is accepted with probability
min(1, π(S') q(S', S) / (π(S) q(S, S'))), where q(S, S') is the probability to propose S' from S. Of the sets that were
visited, the one with the largest π is returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

State = frozenset[int]  # transforms in addition to the identity
Numbers = npt.NDArray[np.floating[Any]]


def disagreement(one: Tensor, other: Tensor, *, distance: str, labels: bool = False) -> float:
    """Return sum_x |h(x) - h'(x)| of probabilities (A, C) of two classifiers, at most A.

    distance: "labels", 1 for a clip with another decision; "probabilities", half the sum of absolute differences.
    labels: the C entries are labels of their own, decided at 1/2; a clip counts with the mean over its labels.
    """
    if distance == "probabilities":
        apart = (one - other).abs()
        return float((apart.mean(1) if labels else apart.sum(1) / 2).sum())
    if labels:
        return float(((one > 0.5) != (other > 0.5)).double().mean(1).sum())
    return float((one.argmax(1) != other.argmax(1)).sum())


def acceptance(energy: float, proposed: float, forward: float, backward: float, sharpness: float) -> float:
    """Return min(1, π(S') q(S', S) / (π(S) q(S, S'))).

    energy, proposed: disagreement of S and S'. forward, backward: q(S, S') and q(S', S).
    """
    exponent = -sharpness * (proposed - energy) + math.log(backward) - math.log(forward)
    return math.exp(min(0.0, exponent))


@dataclass(frozen=True, kw_only=True)
class Proposals:
    """Exchange one transform of a set for one that is not in it.

    distances: of all P transforms, (P, P). width: standard deviation of the Gaussian over distances; 0: uniform.
    """

    distances: Numbers
    width: float

    def replacements(self, state: State, member: int) -> tuple[list[int], Numbers]:
        """Return the transforms outside `state`, without the identity, and the probability of each for `member`."""
        others = [number for number in range(1, len(self.distances)) if number not in state]
        apart = self.distances[member, others]
        if self.width == 0:
            return others, np.full(len(others), 1 / len(others))
        weights = np.exp(-((apart**2 - (apart**2).min()) / (2 * self.width**2)))  # the nearest has weight 1
        return others, weights / weights.sum()

    def probability(self, state: State, other: State) -> float:
        """Return q(state, other) of two sets that differ in one transform."""
        (member,), (replacement,) = state - other, other - state
        others, shares = self.replacements(state, member)
        return float(shares[others.index(replacement)]) / len(state)

    def draw(self, rng: np.random.Generator, state: State) -> State:
        """Propose a set."""
        member = int(rng.choice(sorted(state)))
        others, shares = self.replacements(state, member)
        return state - {member} | {int(rng.choice(others, p=shares))}


@dataclass(frozen=True, kw_only=True)
class Walk:
    """best: the visited set of least energy, the first of equal ones. accepted: share of accepted proposals."""

    best: State
    energy: float
    accepted: float


def search(
    rng: np.random.Generator,
    energy: Callable[[State], float],
    proposals: Proposals,
    number: int,
    *,
    steps: int,
    sharpness: float,
) -> Walk:
    """Walk from a random set of `number` transforms, the identity included. Each set's energy is computed once."""
    pool = len(proposals.distances)
    known: dict[State, float] = {}

    def of(state: State) -> float:
        if state not in known:
            known[state] = energy(state)
        return known[state]

    state = frozenset(map(int, rng.permutation(np.arange(1, pool))[: number - 1]))
    best, least, accepted = state, of(state), 0
    if number in (1, pool):  # there is one set
        return Walk(best=best, energy=least, accepted=0.0)
    for _ in range(steps):
        other = proposals.draw(rng, state)
        forward, backward = proposals.probability(state, other), proposals.probability(other, state)
        if backward > 0 and rng.random() < acceptance(of(state), of(other), forward, backward, sharpness):
            state, accepted = other, accepted + 1
            if of(state) < least:
                best, least = state, of(state)
    return Walk(best=best, energy=least, accepted=accepted / steps)
