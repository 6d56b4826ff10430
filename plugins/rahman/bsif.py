"""Binarised statistical image features (Kannala and Rahtu, ICPR 2012) on three orthogonal planes.

The code of a pixel is the sum of 2^i over the filters i whose response is positive. Filters are independent components
of patches without their mean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional as F

from elrbench_plugins.rahman.planes import PLANES, at_least, shares

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

ZERO = 1e-2  # grey levels: rounding of a flat patch is no positive response
ITERATIONS = 500


def bsif_top(volume: Tensor, filters: Tensor) -> Tensor:
    """Return the histograms of the three planes, each of which sums to 1: (3 * 2^n,).

    volume: grey levels (T, H, W). filters: (n, side, side) of length 1.
    """
    number, side = filters.shape[:2]
    volume = at_least(volume, (side, side, side))
    found = []
    for plane in PLANES:
        (other,) = {0, 1, 2} - set(plane)
        pictures = volume.permute(other, *plane).unsqueeze(1)  # (slices, 1, a, b)
        found.append(shares(picture_codes(pictures, filters), 2**number))
    return torch.cat(found)


def picture_codes(pictures: Tensor, filters: Tensor) -> Tensor:
    """Return the codes int64 (N, a - side + 1, b - side + 1) of pictures (N, 1, a, b)."""
    positive = F.conv2d(pictures, filters.unsqueeze(1)) > ZERO  # (N, n, …)
    powers = 2 ** torch.arange(len(filters), device=filters.device)
    return (positive * powers[:, None, None]).sum(1)


def patches(volume: Tensor, side: int, number: int, rng: np.random.Generator) -> Tensor:
    """Return up to `number` random patches of a volume's frames, (n, side * side)."""
    volume = at_least(volume, (1, side, side))
    frames, rows, columns = volume.shape
    places = frames * (rows - side + 1) * (columns - side + 1)
    chosen = rng.choice(places, min(number, places), replace=False)
    frame, rest = chosen // (places // frames), chosen % (places // frames)
    row, column = rest // (columns - side + 1), rest % (columns - side + 1)
    cut = [
        volume[t, y : y + side, x : x + side].flatten()
        for t, y, x in zip(frame.tolist(), row.tolist(), column.tolist(), strict=True)
    ]
    return torch.stack(cut)


def independent_components(samples: npt.NDArray[np.float64], number: int, seed: int) -> tuple[Tensor, bool]:
    """Return filters (number, side * side) of length 1 from patches (N, side * side), and whether ICA converged.

    Patches lose their mean; then `sklearn.decomposition.FastICA` whitens their first principal components. Raises
    ValueError if the patches have fewer than `number` independent directions.
    """
    import warnings

    import numpy as np
    from sklearn.decomposition import FastICA
    from sklearn.exceptions import ConvergenceWarning

    centred = samples - samples.mean(1, keepdims=True)
    spread = np.linalg.eigvalsh(centred.T @ centred / len(centred))[::-1]
    if spread[number - 1] <= 1e-9 * max(spread[0], 1e-12):
        raise ValueError(f"patches have fewer than {number} independent directions")
    machine = FastICA(number, whiten="unit-variance", random_state=seed, max_iter=ITERATIONS, tol=1e-3)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", ConvergenceWarning)
        machine.fit(centred)
    found = torch.from_numpy(machine.components_)
    return (found / found.norm(dim=1, keepdim=True)).float(), not said
