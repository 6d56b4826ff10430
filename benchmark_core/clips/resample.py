"""Resample frames in float. Crop, lens blur and area average are linear, so a plane X becomes A·X·Bᵀ.

`A` (h, rows) and `B` (w, columns) are computed in float64. YUV is converted to RGB last, on the small grid.
"""

from __future__ import annotations

import math
import threading
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import sparse

from benchmark_core.clips.frames import Frames, Plane

Matrix = npt.NDArray[np.float64]
Pictures = npt.NDArray[np.float32]  # (T, 3, h, w), grey levels 0..255

_BLOCK = 1 << 19  # pixels converted to float at a time, so that they stay in the processor's cache
_KEPT = threading.local()
_ROWS = 2048  # rows of a blur's kernel at a time: for 8K video the whole kernel would take 0.5 GB


@lru_cache(maxsize=256)
def area_matrix(source: int, low: int, start: float, stop: float, sigma: float = 0.0) -> Matrix:
    """Return the matrix (low, source) of an area average: cell i is the mean over its part of [start, stop).

    sigma: lens blur in low cells. It is applied to the whole source axis before the average, so that light from outside
        the crop contributes. At the ends of the axis the kernel is renormalised. Rows sum to 1.
    """
    edges = np.linspace(start, stop, low + 1)
    pixels = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixels + 1.0) - np.maximum(edges[:-1, None], pixels)  # (low, source)
    matrix = np.clip(overlap, 0.0, None)
    if sigma > 0:
        scale = sigma * (stop - start) / low  # in source pixels
        blurred = np.zeros_like(matrix)
        for first in range(0, source, _ROWS):
            rows = pixels[first : first + _ROWS]
            kernel = np.exp(-0.5 * ((rows[:, None] - pixels[None, :]) / scale) ** 2)  # (rows, source)
            blurred += matrix[:, first : first + _ROWS] @ (kernel / kernel.sum(axis=1, keepdims=True))
        matrix = blurred
    return _frozen(matrix / matrix.sum(axis=1, keepdims=True))


@lru_cache(maxsize=256)
def linear_matrix(source: int, size: int, start: float, stop: float) -> Matrix:
    """Return the matrix (size, source) that interpolates [start, stop) linearly at `size` cell centres; ends repeat."""
    centres = start + (np.arange(size) + 0.5) * (stop - start) / size - 0.5
    centres = np.clip(centres, 0, source - 1)
    left = np.minimum(np.floor(centres).astype(int), source - 1)
    right = np.minimum(left + 1, source - 1)
    matrix = np.zeros((size, source))
    rows = np.arange(size)
    matrix[rows, left] += 1 - (centres - left)
    matrix[rows, right] += centres - left
    return _frozen(matrix)


def _frozen(matrix: Matrix) -> Matrix:
    matrix.setflags(write=False)  # the cache shares it
    return matrix


def _apply(plane: Plane, left: sparse.csr_array, right: sparse.csr_array) -> Pictures:
    """Return A·X·Bᵀ of each frame: uint8 (T, rows, columns) to float32 (T, h, w).

    Both matrices are banded. Sparse products take less work than dense ones, and avoid the threads of a BLAS library,
    which block each other if several clips are made at a time.
    """
    count, rows, columns = plane.shape
    height, width = left.shape[0], right.shape[0]
    out = np.empty((count, height, width), np.float32)
    step = max(1, _BLOCK // (rows * columns))
    for first in range(0, count, step):
        part = plane[first : first + step].transpose(1, 0, 2)  # (rows, t, columns)
        block = _scratch("block", part.shape)
        block[...] = part
        half = left @ block.reshape(rows, -1)  # (h, t*columns)
        turned = _scratch("turned", (columns, half.size // columns))  # (columns, h*t)
        turned[...] = half.reshape(-1, columns).T
        small = (right @ turned).reshape(width, height, -1)  # (w, h, t)
        out[first : first + step] = small.transpose(2, 1, 0)
    return out


def _scratch(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return an array that this thread uses again: fresh memory costs more than the computation in it."""
    size = math.prod(shape)
    if size > 2 * _BLOCK:
        return np.empty(shape, np.float32)
    kept: npt.NDArray[np.float32] | None = getattr(_KEPT, name, None)
    if kept is None or len(kept) < size:
        kept = np.empty(max(size, _BLOCK), np.float32)
        setattr(_KEPT, name, kept)
    return kept[:size].reshape(shape)


def _banded(matrix: Matrix) -> sparse.csr_array:
    """Return a sparse matrix without weights too small to change a grey level: a Gaussian's tails."""
    return sparse.csr_array(np.where(matrix > 1e-8, matrix, 0), dtype=np.float32)


def reduce(frames: Frames, size: tuple[int, int], sigma: float = 0.0) -> Pictures:
    """Return the area average of the frames' region: float32 RGB (T, 3, h, w) in [0, 255], not rounded.

    sigma: lens blur in low pixels.
    """
    return _resample(frames, size, sigma, "area")


def fit_to(frames: Frames, size: tuple[int, int]) -> Pictures:
    """Do the same as `reduce` without blur, but interpolate an axis linearly if the region is smaller than `size`."""
    return _resample(frames, size, 0.0, "fit")


def _resample(frames: Frames, size: tuple[int, int], sigma: float, kind: Literal["area", "fit"]) -> Pictures:
    top, left, bottom, right = frames.region
    rows, columns = frames.size
    planes = []
    for plane in frames.planes:
        # A chroma plane of an odd-sized picture is rounded up: its last sample is half outside.
        step_r, step_c = round(rows / plane.shape[1]), round(columns / plane.shape[2])
        a = _matrix(plane.shape[1], size[0], top * rows / step_r, bottom * rows / step_r, sigma, kind)
        b = _matrix(plane.shape[2], size[1], left * columns / step_c, right * columns / step_c, sigma, kind)
        planes.append(_apply(plane, a, b))
    return to_rgb(planes, frames.colour)


@lru_cache(maxsize=256)
def _matrix(
    source: int, size: int, start: float, stop: float, sigma: float, kind: Literal["area", "fit"]
) -> sparse.csr_array:
    if kind == "fit" and stop - start < size:
        return _banded(linear_matrix(source, size, start, stop))
    return _banded(area_matrix(source, size, start, stop, sigma))


# Luma weights (Kr, Kb): BT.601 and BT.709.
_WEIGHTS = {"yuv": (0.299, 0.114), "yuv709": (0.2126, 0.0722)}


def to_rgb(planes: list[Pictures], colour: str) -> Pictures:
    """Convert planes of one size (T, h, w) to RGB (T, 3, h, w), clipped to [0, 255]."""
    if colour == "grey":
        return np.repeat(planes[0][:, None], 3, axis=1)
    if colour == "rgb":
        return np.stack(planes, axis=1)
    out = np.empty((len(planes[0]), 3, *planes[0].shape[1:]), np.float32)
    step = max(1, _BLOCK // 8 // math.prod(planes[0].shape[1:]))
    for first in range(0, len(out), step):
        some = slice(first, first + step)
        _yuv_to_rgb(*(plane[some] for plane in planes), colour=colour, out=out[some])
    return out


def _yuv_to_rgb(y: Pictures, u: Pictures, v: Pictures, *, colour: str, out: Pictures) -> None:
    family, _, span = colour.partition("-")
    kr, kb = _WEIGHTS[family]
    u, v = u - 128, v - 128
    if span == "limited":  # luma 16..235, chroma 16..240
        y, u, v = (y - 16) * (255 / 219), u * (255 / 224), v * (255 / 224)
    out[:, 0] = y + 2 * (1 - kr) * v
    out[:, 2] = y + 2 * (1 - kb) * u
    out[:, 1] = y - (2 * kr * (1 - kr) * v + 2 * kb * (1 - kb) * u) / (1 - kr - kb)
    np.clip(out, 0, 255, out=out)


def to_grey_levels(pictures: Pictures) -> npt.NDArray[np.uint8]:
    """Round to the nearest grey level and clip to uint8."""
    levels = np.rint(pictures)
    return np.clip(levels, 0, 255, out=levels).astype(np.uint8)
