"""The pool of transforms: all combinations of a few shifts, scales and rotations. Imports no torch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmark_core.specs import Value

Numbers = npt.NDArray[np.floating[Any]]
MOST_OUTSIDE = 1 / 3  # share of low pixels whose centre may lie outside the high view


@dataclass(frozen=True, kw_only=True)
class Pool:
    """P transforms, all different; the first one is the identity.

    shift: (P, 2), down and right in low pixels. scale: (P,), above 1 enlarges. angle: (P,) in degrees.
    steps: (P, 4), the same in steps of the grid: down, right, scale, angle. Neighbours differ by 1 in one of them.
    """

    shift: Numbers
    scale: Numbers
    angle: Numbers
    steps: Numbers

    def __len__(self) -> int:
        return len(self.scale)

    def take(self, numbers: Sequence[int]) -> Pool:
        """Return some of the transforms, by number."""
        chosen = list(numbers)
        return Pool(**{name: value[chosen] for name, value in vars(self).items()})

    def distances(self) -> Numbers:
        """Return the Euclidean distances of all pairs in steps of the grid, (P, P)."""
        apart: Numbers = np.linalg.norm(self.steps[:, None] - self.steps[None], axis=2)
        return apart

    def name(self, number: int) -> str:
        """Return e.g. `shift (0.25, -0.5) scale 1.05 angle -3`."""
        down, right = self.shift[number]
        return f"shift ({down:g}, {right:g}) scale {self.scale[number]:.4g} angle {self.angle[number]:g}"


def pool_of(options: Mapping[str, Value]) -> Pool:
    """Return the pool that a plan's options describe.

    `pool_shifts` positions along each axis from -`transform_shift` to `transform_shift` low pixels, `pool_scales`
    scales from 1/`transform_scale` to `transform_scale`, equal in ratio, and `pool_angles` angles from
    -`transform_angle` to `transform_angle` degrees. The three numbers are odd, so that the identity is among them.
    """
    counts = [int(options[key]) for key in ("pool_shifts", "pool_shifts", "pool_scales", "pool_angles")]
    sizes = np.array(
        [float(options["transform_shift"])] * 2
        + [float(np.log(float(options["transform_scale"]))), float(options["transform_angle"])]
    )
    axes = [range(-(count // 2), count // 2 + 1) for count in counts]
    steps = np.array(sorted(itertools.product(*axes), key=any), float)  # the identity first, then in order of the axes
    steps = steps * (sizes > 0) + 0.0  # a size of 0 makes transforms equal; 0.0 instead of -0.0
    steps = steps[np.sort(np.unique(steps, axis=0, return_index=True)[1])]
    values = steps * sizes / np.maximum(np.array(counts) // 2, 1)
    return Pool(shift=values[:, :2], scale=np.exp(values[:, 2]), angle=values[:, 3], steps=steps)


def sampled(pool: Pool, low: tuple[int, int]) -> Numbers:
    """Return where the view shows the centre of each low pixel before the transform: (P, h, w, 2), down and right.

    Positions are in low pixels from the view's centre: R(angle) / scale · (position after it) - shift.
    """
    down, right = np.meshgrid(*(np.arange(side) + 0.5 - side / 2 for side in low), indexing="ij")  # (h, w)
    angle = np.radians(pool.angle)
    cosine, sine = ((function(angle) / pool.scale)[:, None, None] for function in (np.cos, np.sin))
    turned = np.stack([sine * right + cosine * down, cosine * right - sine * down], -1)
    return turned - pool.shift[:, None, None]


def outside(pool: Pool, low: tuple[int, int]) -> Numbers:
    """Return the share of low pixels, of size `low` (h, w), whose centre lies outside the high view: (P,)."""
    beyond = np.abs(sampled(pool, low)) > np.array(low) / 2 + 1e-9
    share: Numbers = beyond.any(-1).mean((1, 2))
    return share
