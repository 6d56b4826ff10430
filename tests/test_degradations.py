"""The built-in degradations, by their specs and by their numbers."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmark_core.clips.fit import crop_to_aspect
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from benchmark_core.clips.resample import reduce, to_grey_levels
from benchmark_core.clips.view_plan import view_plan
from benchmark_core.errors import ElrError
from benchmark_core.specs import defaults
from elrbench_plugins.degradations import AVERAGE, BICUBIC, NATIVE, elr_degradations
from elrbench_plugins.degradations import average as averaging
from elrbench_plugins.degradations import bicubic as cubic

NOISELESS = {"sigma_blur": 0.25, "sigma_noise": 0.0}


def grey(level: int, frames: int = 40, size: tuple[int, int] = (24, 32), first: int = 0) -> Frames:
    return Frames(planes=(np.full((frames, *size), level, np.uint8),), colour="grey", first=first)


def test_the_doors_offer_three_with_their_crops() -> None:
    assert [(spec.name, spec.crop) for spec in elr_degradations()] == [
        ("average-HxW", "after"),
        ("bicubic-HxW", "before"),
        ("native", "none"),
    ]
    assert AVERAGE.pattern is not None and AVERAGE.pattern.fullmatch("average-12x16")
    assert defaults(AVERAGE) == {"sigma_blur": 0.25, "sigma_noise": 2.0}
    assert AVERAGE.variants["clean"] == {"sigma_blur": 0.0, "sigma_noise": 0.0}
    assert all(option.unspecified for option in AVERAGE.options.values())


def test_specs_import_neither_torch_nor_numpy() -> None:
    modules = "elrbench_plugins.degradations, elrbench_plugins.jhmdb"
    code = f"import {modules}, sys; print({{'torch', 'numpy'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_clean_is_the_plain_average() -> None:
    planes = tuple(np.random.default_rng(0).integers(0, 256, (3, 2, 24, 32), np.uint8))
    frames = Frames(planes=planes, colour="rgb")
    low = averaging.degrade(frames, (3, 4), AVERAGE.variants["clean"], 5)
    exact = np.stack(planes, 1).reshape(2, 3, 3, 8, 4, 8).mean((3, 5))
    assert low.dtype == np.uint8 and low.shape == (2, 3, 3, 4)
    assert np.abs(low - exact).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("low", [(6, 8), (12, 16), (18, 24), (24, 32)])
@pytest.mark.parametrize("size", [(60, 80), (62, 101)], ids=["divides", "fractions of pixels"])
def test_every_size_is_the_reference_to_half_a_grey_level(low: tuple[int, int], size: tuple[int, int]) -> None:
    """Against float64: the planes' lens blur and area average over the 3:4 centre by numerical integration."""
    planes = tuple(np.random.default_rng(low[0]).integers(16, 236, (3, 2, *size), np.uint8))
    view = crop_to_aspect(Frames(planes=planes, colour="rgb"), (3, 4))
    made = averaging.degrade(view, low, {"sigma_blur": 0.25, "sigma_noise": 0.0}, 0)
    exact = np.stack([[integrate(frame, low, view.region, 0.25) for frame in plane] for plane in planes], 1)
    assert made.shape == (2, 3, *low) and np.abs(made - exact).max() <= 0.5 + 1e-3


def integrate(frame: np.ndarray, low: tuple[int, int], region: tuple[float, ...], sigma: float) -> np.ndarray:
    """(rows, columns) to (h, w): Gaussian blur of sigma low pixels along both axes, differences of running sums."""
    out = frame.astype(np.float64)
    for axis, (cells, start, stop) in enumerate(zip(low, region[:2], region[2:], strict=True)):
        length = frame.shape[axis]
        first, last = start * length, stop * length
        distance = np.subtract.outer(np.arange(length), np.arange(length)) / (sigma * (last - first) / cells)
        kernel = np.exp(-(distance**2) / 2)
        out = np.moveaxis(np.tensordot(kernel / kernel.sum(1, keepdims=True), out, (1, axis)), 0, axis)
        total = np.concatenate([np.zeros((1, out.shape[1 - axis])), np.cumsum(np.moveaxis(out, axis, 0), 0)])
        edges = np.linspace(first, last, cells + 1)
        whole = np.clip(np.floor(edges).astype(int), 0, length - 1)
        until = (
            total[whole] + (edges - whole)[:, None] * np.diff(total, axis=0)[whole]
        )  # sum of the pixels before an edge
        out = np.moveaxis(np.diff(until, axis=0) * cells / (last - first), 0, axis)
    return out


@pytest.mark.parametrize("side", [14, 28])
def test_bicubic_of_a_112_crop_is_pillows(side: int) -> None:
    """TinyVIRAT's pairs are made by Pillow, which rounds each of its two passes to grey levels."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    high = np.random.default_rng(side).integers(0, 256, (112, 112, 3), np.uint8)
    theirs = np.asarray(image.fromarray(high).resize((side, side), image.Resampling.BICUBIC)).astype(float)
    ours = cubic.degrade(torch.from_numpy(high).permute(2, 0, 1)[None].float() / 255, (side, side), {})
    assert np.abs(ours[0].permute(1, 2, 0).numpy() * 255 - theirs).max() <= 1.5


def test_noise_has_the_strength_asked_for() -> None:
    noisy = averaging.degrade(grey(128), (12, 16), {"sigma_blur": 0.0, "sigma_noise": 2.0}, 7).astype(float)
    # 23,040 values: the sample's deviation is within 2 % of sqrt(4 + 1/12), rounding included, its mean near 128.
    assert abs(noisy.std() - np.sqrt(4 + 1 / 12)) < 0.04
    assert abs(noisy.mean() - 128) < 0.06
    assert not np.array_equal(noisy[0], noisy[1])


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.9])
def test_noise_below_one_grey_level_is_added(sigma: float) -> None:
    noisy = averaging.degrade(grey(128), (12, 16), {"sigma_blur": 0.0, "sigma_noise": sigma}, 7).astype(float)
    bounds = np.arange(-8.5, 9) / sigma  # of the levels 120 to 136
    shares = np.diff([0.5 * (1 + math.erf(bound / math.sqrt(2))) for bound in bounds])
    assert np.bincount((noisy - 120).astype(int).ravel(), minlength=17) / noisy.size == pytest.approx(shares, abs=0.012)


def test_noise_belongs_to_the_clip_and_the_frame_not_to_the_chunk() -> None:
    options = defaults(AVERAGE)
    whole = averaging.degrade(grey(128, 6), (6, 8), options, 7)
    parts = [averaging.degrade(grey(128, 3, first=first), (6, 8), options, 7) for first in (0, 3)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, averaging.degrade(grey(128, 6), (6, 8), options, 8))


def test_blur_is_in_low_pixels_whatever_the_source_size() -> None:
    pattern = np.random.default_rng(0).integers(0, 256, (1, 12, 16), np.uint8)
    large = [np.repeat(np.repeat(pattern, scale, 1), scale, 2) for scale in (8, 24)]
    first, second = (
        averaging.degrade(Frames(planes=(plane,), colour="grey"), (12, 16), NOISELESS, 0).astype(int) for plane in large
    )
    plain = averaging.degrade(Frames(planes=(large[0],), colour="grey"), (12, 16), AVERAGE.variants["clean"], 0)
    assert np.abs(first - second).max() <= 2
    assert np.abs(first - plain.astype(int)).max() > 10


def test_bicubic_is_antialiased_and_clamped() -> None:
    high = torch.zeros(1, 3, 16, 16)
    high[..., 8:] = 1
    low = cubic.degrade(high, (4, 4), {})
    free = F.interpolate(high, size=(4, 4), mode="bicubic", antialias=True)
    assert free.min() < 0 and free.max() > 1
    assert torch.equal(low, free.clamp(0, 1))
    assert torch.allclose(cubic.degrade(torch.full((2, 3, 16, 16), 0.3), (4, 4), {}), torch.tensor(0.3))


def test_materials_of_each_crop() -> None:
    after = view_plan(dataclasses.replace(AVERAGE, low=(12, 16)), {"sigma_noise": 0.0}, size=(96, 128))
    assert after.low is not None and after.low.aspect == (3, 4) and after.low.size == (12, 16)
    assert after.low.options == NOISELESS
    assert after.high == StoredFormat(kind="high", size=(96, 128), aspect=(3, 4))
    assert after.formats(low=True, high=False) == (after.low,)
    before = view_plan(dataclasses.replace(BICUBIC, low=(14, 14)), {}, size=(112, 112))
    assert before.low is None and before.high is not None and before.high.size == (128, 128)
    assert before.formats(low=True, high=False) == (before.high,) == before.formats(low=True, high=True)
    native = view_plan(NATIVE, {}, size=(112, 112))
    assert native.formats(low=True, high=True) == (StoredFormat(kind="native"),)
    with pytest.raises(ElrError, match="needs a low size"):
        view_plan(AVERAGE, {}, size=(96, 128))


def test_every_number_is_in_the_key() -> None:
    stored_format = StoredFormat(kind="low", size=(12, 16), aspect=(3, 4), degrade="m:f", options={"a": 1.0})
    others = [
        dataclasses.replace(stored_format, **change)
        for change in (
            {"kind": "high"},
            {"size": (6, 8)},
            {"aspect": (1, 1)},
            {"degrade": "m:g"},
            {"options": {"a": 2.0}},
            {"revision": 2},
        )
    ]
    assert len({one.key for one in [stored_format, *others]}) == 7
    assert stored_format.key == dataclasses.replace(stored_format, options={"a": 1.0}).key
    assert stored_format.numbers()["decoder"].startswith("pyav ")


def test_a_plugin_that_returns_another_shape_is_blamed() -> None:
    stored_format = StoredFormat(
        kind="low", size=(3, 4), aspect=(3, 4), degrade=lambda *_: np.zeros((1, 3, 4, 4), np.uint8)
    )
    with pytest.raises(ElrError, match=r"uint8 \(1, 3, 4, 4\) instead of uint8 \(1, 3, 3, 4\); correct the plugin"):
        stored_format.make(grey(5, 1), 0)


def test_a_recipe_makes_low_of_the_fitted_region() -> None:
    planes = np.zeros((1, 24, 64), np.uint8)
    planes[..., 16:48] = 200  # the 3:4 centre
    frames = Frames(planes=(planes,), colour="grey")
    made = view_plan(dataclasses.replace(AVERAGE, low=(3, 4)), AVERAGE.variants["clean"], size=(6, 8))
    assert made.low is not None and made.high is not None
    assert (made.low.make(frames, 0) == 200).all() and (made.high.make(frames, 0) == 200).all()
    assert to_grey_levels(reduce(frames, (3, 4))).min() == 0
