"""Degradations that protect people: each against values worked out by hand, on decoded frames and on high views."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from benchmark_core.catalog import Catalog
from benchmark_core.clips.frames import Frames
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.specs import defaults
from elrbench_plugins.degradations import AVERAGE, average
from elrbench_plugins.protecting import (
    EXPOSURE,
    GAUSSIAN,
    GREY,
    LEVELS,
    elr_degradations,
    exposure,
    gaussian,
    grey,
    levels,
)

CLEAN = {"sigma_blur": 0.0, "sigma_noise": 0.0}
ASKED: Any = {"method": "supervised", "dataset": "puppets", "budget": "smoke"}


def coloured(*rgb: int, frames: int = 2, first: int = 0) -> Frames:
    planes = tuple(np.full((frames, 12, 16), level, np.uint8) for level in rgb)
    return Frames(planes=planes, colour="rgb", first=first)


def of_levels(*each: int) -> Frames:
    """One grey level per frame."""
    return Frames(planes=(np.repeat(np.array(each, np.uint8), 12).reshape(-1, 3, 4),), colour="grey")


def chunks(frames: Frames, *ends: int) -> list[Frames]:
    """The frames in chunks that end before these numbers."""
    return [
        dataclasses.replace(frames, planes=tuple(plane[first:end].copy() for plane in frames.planes), first=first)
        for first, end in pairwise((0, *ends))
    ]


def test_the_plugin_offers_five_with_their_options() -> None:
    assert [(spec.name, spec.crop, spec.from_high is not None) for spec in elr_degradations()] == [
        ("grey-HxW", "after", True),
        ("levels-HxW", "after", True),
        ("gaussian-HxW", "after", True),
        ("exposure-HxW", "after", False),
        ("silhouette-HxW", "after", False),
    ]
    for spec in elr_degradations():
        spec.check_code()
        assert spec.citation and spec.unspecified and spec.pattern is not None
    for spec in (GREY, LEVELS, EXPOSURE):  # comparable with average-HxW
        assert {key: defaults(spec)[key] for key in CLEAN} == defaults(AVERAGE)


def test_specs_import_neither_torch_nor_numpy() -> None:
    code = "import elrbench_plugins.protecting, sys; print({'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


# -- grey


def test_grey_is_luma_in_three_equal_channels() -> None:
    made = grey.degrade(coloured(100, 50, 200), (3, 4), CLEAN, 0)
    assert made.dtype == np.uint8 and made.shape == (2, 3, 3, 4)
    assert (made == 82).all()  # 0.299 * 100 + 0.587 * 50 + 0.114 * 200 = 82.05


def test_grey_noise_is_one_value_per_pixel_of_the_frame() -> None:
    options = {"sigma_blur": 0.0, "sigma_noise": 3.0}
    frames = Frames(planes=(np.full((200, 12, 16), 128, np.uint8),) * 3, colour="rgb")
    noisy = grey.degrade(frames, (12, 16), options, 7)
    assert (noisy == noisy[:, :1]).all()
    # 38,400 values; three channels with noise of their own would give 3 * sqrt(0.299² + 0.587² + 0.114²) = 2.0
    assert noisy[:, 0].astype(float).std() == pytest.approx(math.sqrt(9 + 1 / 12), abs=0.05)
    assert not np.array_equal(noisy[0], noisy[1])
    assert np.array_equal(
        noisy, np.concatenate([grey.degrade(c, (12, 16), options, 7) for c in chunks(frames, 3, 200)])
    )


def test_grey_of_high_views_is_that_of_frames() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 2, 24, 32), np.uint8)
    high = torch.from_numpy(planes).permute(1, 0, 2, 3).float() / 255
    low = grey.degrade(Frames(planes=tuple(planes), colour="rgb"), (6, 8), CLEAN, 0)
    made = grey.from_high(high, (6, 8), CLEAN) * 255
    assert np.abs(made.numpy() - low).max() <= 1 and (made == made[:, :1]).all()  # 1: a level that is rounded
    noisy = grey.from_high(high, (6, 8), {"sigma_blur": 0.0, "sigma_noise": 3.0})
    assert (noisy == noisy[:, :1]).all() and not torch.equal(noisy * 255, made)


# -- grey levels


@pytest.mark.parametrize(
    ("count", "values", "quantised"),
    [
        (2, (0, 127, 128, 255), (0, 0, 255, 255)),
        (4, (0, 42, 43, 127, 128, 212, 213, 255), (0, 0, 85, 85, 170, 170, 255, 255)),
        (3, (63, 64, 191, 192), (0, 128, 128, 255)),  # 127.5 is rounded to the even level
    ],
)
def test_levels_are_evenly_spaced_and_the_nearest_is_taken(count: int, values: Any, quantised: Any) -> None:
    table = levels.table(count)
    assert table[list(values)].tolist() == list(quantised) and len(set(table)) == count
    made = levels.degrade(of_levels(*values), (3, 4), {**CLEAN, "levels": count}, 0)
    assert made[:, 0, 0, 0].tolist() == list(quantised) and (made == made[:, :1, :1, :1]).all()
    high = torch.tensor(values).float().reshape(-1, 1, 1, 1).expand(-1, 3, 6, 8) / 255
    made = levels.from_high(high, (3, 4), {**CLEAN, "levels": count}) * 255
    assert made.round()[:, 0, 0, 0].tolist() == list(quantised)


def test_all_levels_are_the_average() -> None:
    frames = Frames(planes=tuple(np.random.default_rng(0).integers(0, 256, (3, 3, 24, 32), np.uint8)), colour="rgb")
    options = {"sigma_blur": 0.25, "sigma_noise": 2.0}
    assert np.array_equal(
        levels.degrade(frames, (6, 8), {**options, "levels": 256}, 5), average.degrade(frames, (6, 8), options, 5)
    )


def test_variants_name_levels_and_exposures(catalog: Catalog) -> None:
    plan = resolve_plan(catalog, PlanRequest(**ASKED, degradation="levels-12x16:clean+2"))
    assert plan.options("degradation") == {"levels": 2, **CLEAN}
    plan = resolve_plan(catalog, PlanRequest(**ASKED, degradation="exposure-12x16:8"))
    assert plan.options("degradation") == {**defaults(EXPOSURE), "frames": 8, "hold": 8}


# -- Gaussian blur


def test_an_edge_is_blurred_by_the_part_of_the_height() -> None:
    """Columns of a step edge are the normal distribution's integral, whatever the sampling."""
    plane = np.zeros((1, 240, 320), np.uint8)
    plane[..., 160:] = 200
    frames = Frames(planes=(plane,), colour="grey")
    sigma = 0.05 * 240  # in source pixels
    for low in ((24, 32), (48, 64)):
        made = gaussian.degrade(frames, low, {"sigma": 0.05, "sigma_noise": 0.0}, 0)[0, 0, low[0] // 2]
        pixels = (np.arange(320) - 159.5) / sigma  # of the frame's columns, from the edge
        exact = 200 * np.array([0.5 * (1 + math.erf(x / math.sqrt(2))) for x in pixels])
        assert np.abs(made - exact.reshape(low[1], -1).mean(1)).max() <= 1


def test_blur_of_high_views_is_that_of_frames_inside() -> None:
    planes = np.random.default_rng(0).integers(0, 256, (3, 1, 48, 64), np.uint8)
    options = {"sigma": 0.02, "sigma_noise": 0.0}
    low = gaussian.degrade(Frames(planes=tuple(planes), colour="rgb"), (12, 16), options, 0)
    made = gaussian.from_high(torch.from_numpy(planes).permute(1, 0, 2, 3).float() / 255, (12, 16), options) * 255
    assert np.abs(made.numpy() - low).max() <= 1


def test_the_default_blur_is_the_spread_of_a_cell_of_12_rows() -> None:
    assert defaults(GAUSSIAN)["sigma"] == pytest.approx(1 / 12 / math.sqrt(12), rel=0.05)


# -- exposure


RAMP = (10, 20, 40, 80, 160, 0, 100, 50, 30)


def exposed(clip: Frames, *ends: int, seed: int = 0, **options: float) -> np.ndarray:
    made = exposure.start((3, 4), {**CLEAN, **options}, seed)
    return np.concatenate([*(made.add(chunk) for chunk in chunks(clip, *ends)), made.finish()])


@pytest.mark.parametrize(
    ("length", "hold", "shown"),
    [
        (1, 1, RAMP),
        (1, 3, (10, 10, 10, 80, 80, 80, 100, 100, 100)),  # a low frame rate alone
        (2, 2, (15, 15, 15, 60, 60, 80, 80, 75, 75)),  # exposures end at frames 1, 3, 5, 7
        (3, 3, (23, 23, 23, 23, 23, 80, 80, 80, 60)),  # 70 / 3, 240 / 3, 180 / 3
        (2, 1, (15, 15, 30, 60, 120, 80, 50, 75, 40)),  # a moving average
        (2, 4, (15, 15, 15, 15, 15, 80, 80, 80, 80)),  # frames 2 and 3 meet a closed shutter
        (16, 4, (54,) * 9),  # 490 / 9: the clip is shorter than the exposure
    ],
)
@pytest.mark.parametrize("ends", [(9,), (1, 2, 3, 4, 5, 6, 7, 8, 9), (2, 8, 9)], ids=["whole", "frames", "chunks"])
def test_exposures_are_means_that_are_held(length: int, hold: int, shown: Any, ends: tuple[int, ...]) -> None:
    made = exposed(of_levels(*RAMP), *ends, frames=length, hold=hold)
    assert made.dtype == np.uint8 and made.shape == (9, 3, 3, 4)
    assert made[:, 0, 0, 0].tolist() == list(shown)


def test_noise_is_made_once_per_exposure_whatever_the_chunks() -> None:
    options = {"frames": 2, "hold": 2, "sigma_noise": 9.0}
    whole = exposed(of_levels(*(128,) * 9), 9, seed=3, **options)
    assert np.array_equal(whole, exposed(of_levels(*(128,) * 9), 1, 5, 6, 9, seed=3, **options))
    assert np.array_equal(whole[3], whole[4]) and not np.array_equal(whole[4], whole[5])
    assert not np.array_equal(whole, exposed(of_levels(*(128,) * 9), 9, seed=4, **options))


def test_methods_that_degrade_high_views_refuse_what_needs_time(catalog: Catalog) -> None:
    asked = PlanRequest(method="elr-distil", dataset="puppets", budget="smoke", degradation="exposure-12x16")
    with pytest.raises(ElrError, match="exposure-12x16"):
        resolve_plan(catalog, asked)
    resolve_plan(catalog, dataclasses.replace(asked, degradation="levels-12x16:2"))
