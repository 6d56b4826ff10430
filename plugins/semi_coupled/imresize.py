"""Cubic resizing as MATLAB's `imresize`: a = -0.5, a kernel that widens with the factor, mirrored borders.

Keys, Cubic Convolution Interpolation for Digital Image Processing, IEEE Transactions on ASSP 29(6), 1981. Imports no
torch: clips are degraded in processes that do not need it.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

A = -0.5
REACH = 2.0  # half of the kernel's width, in pixels of the coarser grid
Matrix = npt.NDArray[np.float64]


def cubic(x: Matrix) -> Matrix:
    """Return Keys' kernel at the distances `x`."""
    far = np.abs(x)
    near = (A + 2) * far**3 - (A + 3) * far**2 + 1
    outer = A * far**3 - 5 * A * far**2 + 8 * A * far - 4 * A
    found: Matrix = np.where(far <= 1, near, np.where(far <= REACH, outer, 0.0))
    return found


@lru_cache(maxsize=256)
def cubic_matrix(source: int, size: int, start: float = 0.0, stop: float | None = None) -> Matrix:
    """Return the matrix (size, source) that resizes [start, stop) of an axis of `source` pixels; rows sum to 1.

    start, stop: edges in pixels; pixel i covers [i, i + 1). Outside the axis, its pixels are mirrored.
    """
    stop = float(source) if stop is None else stop
    step = (stop - start) / size  # source pixels per output pixel
    widened = max(step, 1.0)
    centres = start + (np.arange(size) + 0.5) * step - 0.5
    first = np.floor(centres - REACH * widened).astype(np.int64)
    places = first[:, None] + np.arange(int(np.ceil(2 * REACH * widened)) + 2)  # (size, taps)
    weights = cubic((places - centres[:, None]) / widened)
    folded = places % (2 * source)
    folded = np.where(folded < source, folded, 2 * source - 1 - folded)  # d c b a | a b c d | d c b a
    matrix = np.zeros((size, source))
    np.add.at(matrix, (np.arange(size)[:, None], folded), weights)
    matrix /= matrix.sum(1, keepdims=True)
    matrix.setflags(write=False)  # the cache shares it
    return matrix
