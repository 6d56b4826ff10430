"""Local binary patterns on three orthogonal planes (Zhao and Pietikainen, TPAMI 2007).

The code of a voxel in a plane is the sum of 2^p over the neighbours p that are not darker. The eight neighbours are on
an ellipse around it, at the angles 2 pi p / 8 from the plane's second axis against its first. Values between pixels are
bilinear.
"""

from __future__ import annotations

import itertools
import math
from functools import cache

import torch
from torch import Tensor

from elrbench_plugins.rahman.planes import PLANES, at_least, shares

NEIGHBOURS = 8
CODES = 2**NEIGHBOURS
SAME = 1e-2  # grey levels: rounding of interpolated frames does not make a neighbour darker


def lbp_top(volume: Tensor, radius: int, radius_time: int, *, uniform: bool) -> Tensor:
    """Return the histograms of the three planes, each of which sums to 1: (3 * 256,), or (3 * 59,) of uniform patterns.

    volume: grey levels (T, H, W). radius, radius_time: in pixels and in frames. Voxels at the border have no code.
    """
    radii = (radius_time, radius, radius)
    volume = at_least(volume, tuple(2 * each + 1 for each in radii))  # type: ignore[arg-type]
    found = []
    for plane in PLANES:
        codes = plane_codes(volume, plane, radii)
        if uniform:
            codes = uniform_bins().to(codes.device)[codes]
        found.append(shares(codes, bins_of(uniform=uniform)))
    return torch.cat(found)


def bins_of(*, uniform: bool) -> int:
    """Return the number of bins of one plane."""
    return NEIGHBOURS * (NEIGHBOURS - 1) + 3 if uniform else CODES


def plane_codes(volume: Tensor, plane: tuple[int, int], radii: tuple[int, int, int]) -> Tensor:
    """Return the codes in one plane, int64 (T - 2 r_t, H - 2 r, W - 2 r)."""
    centre = around(volume, (0.0, 0.0, 0.0), radii)
    codes = torch.zeros_like(centre, dtype=torch.int64)
    for number in range(NEIGHBOURS):
        angle = 2 * math.pi * number / NEIGHBOURS
        shift = [0.0, 0.0, 0.0]
        shift[plane[0]] = -radii[plane[0]] * math.sin(angle)
        shift[plane[1]] = radii[plane[1]] * math.cos(angle)
        codes += (around(volume, tuple(shift), radii) >= centre - SAME).to(torch.int64) << number  # type: ignore[arg-type]
    return codes


def around(volume: Tensor, shift: tuple[float, float, float], radii: tuple[int, int, int]) -> Tensor:
    """Return the values at `shift` from each voxel that is `radii` from the border, interpolated linearly."""
    ends = []
    for offset in shift:
        offset = round(offset, 9)  # sines of multiples of 90 degrees are whole
        lower = math.floor(offset)
        ends.append([(lower, 1 - (offset - lower)), (lower + 1, offset - lower)])
    parts = []
    for corner in itertools.product(*ends):
        weight = math.prod(share for _, share in corner)
        if weight:
            at = tuple(
                slice(radius + step, length - radius + step)
                for (step, _), radius, length in zip(corner, radii, volume.shape, strict=True)
            )
            parts.append(weight * volume[at])
    return sum(parts[1:], parts[0])


@cache
def uniform_bins() -> Tensor:
    """Return the bin of each code, int64 (256,): those with at most two changes around the circle first, in order."""
    bins = torch.full((CODES,), bins_of(uniform=True) - 1, device="cpu")
    number = 0
    for code in range(CODES):
        turned = (code >> 1) | ((code & 1) << (NEIGHBOURS - 1))
        if (code ^ turned).bit_count() <= 2:
            bins[code] = number
            number += 1
    return bins
