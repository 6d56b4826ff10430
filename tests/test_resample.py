"""The matrix form against a plain float64 reference, and cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from videos import random_planes

from benchmark_core.clips.fit import as_recorded, centre, crop_to_aspect, high_view, with_margin
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import area_matrix, fit_to, linear_matrix, reduce, to_grey_levels, to_rgb


def test_area_matrices_worked_out_by_hand() -> None:
    assert np.allclose(area_matrix(4, 2, 0, 4), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    assert np.allclose(area_matrix(3, 2, 0, 3), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    assert np.allclose(area_matrix(4, 1, 0.5, 2.5), [[0.25, 0.5, 0.25, 0]])
    assert np.allclose(area_matrix(2, 4, 0, 2), [[1, 0], [1, 0], [0, 1], [0, 1]])


def test_blur_worked_out_by_hand() -> None:
    # 2 pixels to 1 each, sigma 1 low pixel = 1 source pixel: neighbours weigh exp(-1/2), renormalised at the ends.
    near = math.exp(-0.5)
    assert np.allclose(area_matrix(2, 2, 0, 2, 1.0), np.array([[1, near], [near, 1]]) / (1 + near))


def test_a_blur_in_blocks_is_the_blur_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = area_matrix(100, 7, 3.0, 91.0, 0.3)
    monkeypatch.setattr("benchmark_core.clips.resample._ROWS", 32)
    assert np.allclose(area_matrix.__wrapped__(100, 7, 3.0, 91.0, 0.3), whole, rtol=0, atol=1e-15)


def test_linear_matrix_worked_out_by_hand() -> None:
    assert np.allclose(linear_matrix(2, 4, 0, 2), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])


@pytest.mark.parametrize("sigma", [0.0, 0.25, 1.0])
def test_rows_sum_to_one(sigma: float) -> None:
    assert np.allclose(area_matrix(37, 5, 3.25, 30.5, sigma).sum(1), 1)


def reference(plane: np.ndarray, low: tuple[int, int], box: tuple[float, float, float, float], sigma: float):
    """Blur, crop and average one float64 plane (rows, columns), pixel by pixel."""
    top, left, bottom, right = box
    cell = (bottom - top) / low[0], (right - left) / low[1]
    if sigma:
        for axis in (0, 1):
            scale, length = sigma * cell[axis], plane.shape[axis]
            weights = [[math.exp(-((i - j) ** 2) / (2 * scale**2)) for j in range(length)] for i in range(length)]
            kernel = np.array([[w / sum(row) for w in row] for row in weights])
            plane = kernel @ plane if axis == 0 else plane @ kernel.T
    out = np.zeros(low)
    for i in range(low[0]):
        for j in range(low[1]):
            total = weight = 0.0
            for row in range(plane.shape[0]):
                for column in range(plane.shape[1]):
                    down = min(top + (i + 1) * cell[0], row + 1) - max(top + i * cell[0], row)
                    across = min(left + (j + 1) * cell[1], column + 1) - max(left + j * cell[1], column)
                    if down > 0 and across > 0:
                        total += down * across * plane[row, column]
                        weight += down * across
            out[i, j] = total / weight
    return out


@pytest.mark.parametrize("sigma", [0.0, 0.25])
@pytest.mark.parametrize("size", [(24, 40), (21, 33)])
def test_reduce_is_the_float64_reference_to_half_a_grey_level(sigma: float, size: tuple[int, int]) -> None:
    low, aspect = (4, 5), (4, 5)
    planes = random_planes(2, *size)
    # Low contrast keeps colours inside the cube, where clipping hides nothing.
    planes = tuple((plane // 4 + 96).astype(np.uint8) for plane in planes)
    frames = crop_to_aspect(Frames(planes=planes, colour="yuv-limited"), aspect)
    top, left, bottom, right = frames.region
    seen = reduce(frames, low, sigma)
    for number in range(2):
        y, u, v = (
            reference(
                plane[number].astype(float),
                low,
                (top * size[0] / step, left * size[1] / step, bottom * size[0] / step, right * size[1] / step),
                sigma,
            )
            for plane, step in zip(planes, (1, 2, 2), strict=True)
        )
        y, u, v = (y - 16) * 255 / 219, (u - 128) * 255 / 224, (v - 128) * 255 / 224
        rgb = np.stack([y + 1.402 * v, y - 0.344136 * u - 0.714136 * v, y + 1.772 * u])
        assert rgb.min() > 0 and rgb.max() < 255
        assert np.abs(seen[number] - rgb).max() < 0.01
        assert np.abs(to_grey_levels(seen)[number] - rgb).max() <= 0.51


@pytest.mark.parametrize(
    ("colour", "yuv", "rgb"),
    [
        ("yuv-limited", (16, 128, 128), (0, 0, 0)),
        ("yuv-limited", (235, 128, 128), (255, 255, 255)),
        ("yuv-limited", (81, 90, 240), (255, 0, 0)),
        ("yuv-full", (76, 85, 255), (254, 0, 0)),
        ("yuv709-limited", (63, 102, 240), (255, 0, 0)),
        ("yuv709-limited", (173, 42, 26), (0, 255, 0)),
        ("yuv-full", (77, 128, 128), (77, 77, 77)),
    ],
)
def test_colours(colour: str, yuv: tuple[int, ...], rgb: tuple[int, ...]) -> None:
    planes = [np.full((1, 1, 1), level, np.float32) for level in yuv]
    assert np.abs(to_rgb(planes, colour)[0, :, 0, 0] - rgb).max() <= 1.5


def test_reduce_does_not_depend_on_blocks() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (5, 600, 800), np.uint8)  # more than one block of pixels
    expected = plane.reshape(5, 3, 200, 4, 200).mean((2, 4))
    seen = reduce(Frames(planes=(plane,), colour="grey"), (3, 4))
    assert np.abs(seen[:, 0] - expected).max() < 1e-3


def test_centre_crops_the_longer_axis_only() -> None:
    assert centre((240, 320), (3, 4)) == (0, 0, 1, 1)
    assert centre((100, 200), (1, 1)) == (0, 0.25, 1, 0.75)
    assert centre((200, 100), (1, 2)) == (0.375, 0, 0.625, 1)
    assert with_margin((112, 112)) == (128, 128)


def test_high_views_average_down_and_interpolate_up() -> None:
    ramp = np.tile(np.array([0, 100], np.uint8), (1, 4, 1))  # (1, 4, 2)
    frames = Frames(planes=(ramp,), colour="grey")
    up = fit_to(frames, (2, 4))
    assert np.allclose(up[0, 0], [[0, 25, 75, 100]] * 2)
    assert np.array_equal(high_view(frames, (1, 1))[0, :, 0, 0], [50, 50, 50])


def test_low_and_high_look_at_the_same_region() -> None:
    planes = tuple(np.random.default_rng(3).integers(0, 256, (3, 2, 48, 80), np.uint8))
    frames = crop_to_aspect(Frames(planes=planes, colour="rgb"), (3, 4))
    high = fit_to(frames, (24, 32))
    again = high.reshape(2, 3, 6, 4, 8, 4).mean((3, 5))
    assert np.abs(reduce(frames, (6, 8)) - again).max() < 1e-3


def test_as_recorded_keeps_every_pixel() -> None:
    planes = tuple(np.random.default_rng(3).integers(0, 256, (3, 2, 7, 9), np.uint8))
    assert np.array_equal(as_recorded(Frames(planes=planes, colour="rgb")), np.stack(planes, 1))
