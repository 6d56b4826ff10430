"""The target of pLRN: a clip with its largest singular values alone."""

from __future__ import annotations

import torch
from torch import Tensor


def truncated(matrices: Tensor, rank: int) -> Tensor:
    """Return the best approximation of matrices (…, a, b), real or complex, of rank `rank`, by Eckart and Young.

    It is U U^H X with the `rank` first left singular vectors U of X: the eigenvectors of X X^H. A rank of a or more
    returns X.
    """
    if rank >= min(matrices.shape[-2:]):
        return matrices
    if matrices.shape[-2] > matrices.shape[-1]:
        return truncated(matrices.mT, rank).mT
    _, vectors = torch.linalg.eigh(matrices @ matrices.mH)  # ascending
    left = vectors[..., -rank:]  # (…, a, rank)
    return left @ (left.mH @ matrices)


@torch.no_grad()
def low_rank(grey: Tensor, kind: str, rank: int) -> Tensor:
    """Return grey clips (N, T, H, W) of low rank, in float32. A clip of that rank comes back unchanged.

    kind: `matrix` truncates the SVD of the matrix of T frames and H*W pixels. `tensor` truncates the tensor SVD: the
    Fourier transform along time, and the SVD of each of its frequencies, (H, W), to `rank` (Kilmer and Martin, 2011).
    """
    clips = grey.double()
    if kind == "matrix":
        return truncated(clips.flatten(2), rank).reshape(clips.shape).float()
    frequencies = torch.fft.rfft(clips, dim=1)  # (N, T//2 + 1, H, W)
    return torch.fft.irfft(truncated(frequencies, rank), n=clips.shape[1], dim=1).float()
