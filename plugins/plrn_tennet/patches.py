"""Filters of 3x3x3 by principal component analysis of patches without their mean (Chan et al., 2015, section II)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.plrn_tennet.options import SIDE

VOLUME = SIDE**3  # numbers of a patch


def patches(maps: Tensor) -> Tensor:
    """Return all 3x3x3 patches inside maps (N, T, H, W), without the mean of each: (M, 27), frame by frame."""
    cut = maps
    for axis in (1, 2, 3):
        cut = cut.unfold(axis, SIDE, 1)
    found = cut.reshape(-1, VOLUME)  # M = N (T-2) (H-2) (W-2)
    return found - found.mean(1, keepdim=True)


class Moments(nn.Module):
    """The sum of products x x^T of patches x (27,) and their number, in float64. Their mean is zero by symmetry.

    As in PCANet, the mean over patches is not subtracted: only each patch's own mean is.
    """

    products: Tensor
    number: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("products", torch.zeros(VOLUME, VOLUME, dtype=torch.float64))
        self.register_buffer("number", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def add(self, found: Tensor) -> None:
        """Add patches (M, 27)."""
        wide = found.double()
        self.products += wide.T @ wide
        self.number += len(found)


def principal(products: Tensor, number: int) -> tuple[Tensor, int]:
    """Return the `number` eigenvectors of products (27, 27) with the largest eigenvalues, (number, 3, 3, 3).

    Also return how many of them have an eigenvalue above rounding errors. Of each filter, the mean is removed, and the
    first entry of at least half the largest magnitude is positive, so that signs do not depend on the solver.
    """
    values, vectors = torch.linalg.eigh(products.double())  # ascending
    filters = vectors.flip(1)[:, :number].T
    filters = filters - filters.mean(1, keepdim=True)
    size = filters.abs()
    leading = (size >= size.amax(1, keepdim=True) / 2).double().argmax(1, keepdim=True)  # the first of equal maxima
    filters = filters * torch.where(filters.gather(1, leading) < 0, -1.0, 1.0)
    above = values.flip(0)[:number] > values[-1].clamp_min(1e-12) * 1e-9
    return filters.reshape(number, SIDE, SIDE, SIDE), int(above.sum())


class FilterBank(nn.Module):
    """Filters of both stages: buffers `first` (n1, 3, 3, 3) and `second` (n2, 3, 3, 3), without a mean.

    Random until TenneT learns them. One set of second filters is for all maps of the first stage.
    """

    first: Tensor
    second: Tensor

    def __init__(self, filters1: int, filters2: int) -> None:
        super().__init__()
        for name, number in (("first", filters1), ("second", filters2)):
            drawn = torch.randn(number, VOLUME)
            drawn = F.normalize(drawn - drawn.mean(1, keepdim=True), dim=1)
            self.register_buffer(name, drawn.reshape(number, SIDE, SIDE, SIDE))

    def respond(self, maps: Tensor, stage: str) -> Tensor:
        """Return responses (N, n, T, H, W) of maps (N, T, H, W) to the filters of a stage.

        The filters have no mean, so that a response is that to the patch without its mean. Zeros continue the maps.
        """
        filters: Tensor = getattr(self, stage)
        return F.conv3d(maps.unsqueeze(1), filters.unsqueeze(1).to(maps.dtype), padding=SIDE // 2)
