"""Silhouettes: backgrounds worked out by hand, masks that are averaged, and one run."""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark_core.catalog import Catalog
from benchmark_core.clips.frames import Frames
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from benchmark_core.specs import defaults
from elrbench_plugins.protecting import SILHOUETTE
from elrbench_plugins.protecting.masks import averaged, differs
from elrbench_plugins.protecting.mixture import Mixture
from elrbench_plugins.protecting.running import RunningMedian
from elrbench_plugins.protecting.silhouette import start


def pixel(*rgb: float) -> np.ndarray:
    """A frame of one pixel, float32 (3, 1, 1)."""
    return np.array(rgb if len(rgb) > 1 else rgb * 3, np.float32).reshape(3, 1, 1)


def walker(frames: int = 8) -> Frames:
    """A bright square that moves 4 pixels per frame over a grey 24x32 picture."""
    plane = np.full((frames, 24, 32), 60, np.uint8)
    for t in range(frames):
        plane[t, 8:16, 4 * t : 4 * t + 4] = 200
    return Frames(planes=(plane,), colour="grey")


def silhouettes(frames: Frames, *ends: int, low: tuple[int, int] = (3, 4), **options: Any) -> np.ndarray:
    degrader = start(low, {**defaults(SILHOUETTE), **options}, 0)
    made = [
        degrader.add(dataclasses.replace(frames, planes=tuple(p[first:end].copy() for p in frames.planes), first=first))
        for first, end in pairwise((0, *ends))
    ]
    return np.concatenate([*made, degrader.finish()])


def test_the_median_leaves_what_moves() -> None:
    made = silhouettes(walker(), 8)  # low pixels of 8x8
    assert made.dtype == np.uint8 and made.shape == (8, 3, 3, 4)
    assert made[0, 0].tolist() == [[0, 0, 0, 0], [128, 0, 0, 0], [0, 0, 0, 0]]  # half of one cell: 127.5, to even
    assert made[5, 2].tolist() == [[0, 0, 0, 0], [0, 0, 128, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize("background", ["median", "running", "mixture"])
def test_silhouettes_do_not_depend_on_chunks(background: str) -> None:
    planes = tuple(np.random.default_rng(0).integers(0, 256, (3, 12, 24, 32), np.uint8))
    frames = Frames(planes=planes, colour="rgb")
    whole = silhouettes(frames, 12, background=background)
    assert np.array_equal(whole, silhouettes(frames, *range(1, 13), background=background))
    assert np.array_equal(whole, silhouettes(frames, 5, 6, 12, background=background))
    assert len(np.unique(whole)) > 2


def test_a_camera_that_begins_with_the_clip_sees_a_person_leave() -> None:
    for background in ("running", "mixture"):
        made = silhouettes(walker(), 8, background=background)
        assert not made[0].any()  # the first frame is the background
        assert made[3, 0, 1].tolist() == [128, 128, 0, 0]  # where the person was, and where the person is
    assert silhouettes(walker(), 8)[3, 0, 1].tolist() == [0, 128, 0, 0]


def test_a_mask_is_averaged_over_cells() -> None:
    mask = np.zeros((1, 4, 4), bool)
    mask[0, :2, :2] = True  # the whole first cell
    mask[0, 3, 3] = True  # a quarter of the last
    assert averaged(mask, (2, 2))[0].tolist() == [[[255, 0], [0, 64]]] * 3  # 63.75


def test_one_channel_is_enough_to_differ_by_more_than_the_threshold() -> None:
    background = pixel(100, 100, 100)
    assert not differs(pixel(100, 120, 80), background, 20)
    assert differs(pixel(100, 121, 100), background, 20) and differs(pixel(79, 100, 100), background, 20)


def test_the_running_median_moves_by_one_level_per_frame() -> None:
    median = RunningMedian(20)
    assert not median.foreground(pixel(100, 100, 100))
    assert median.foreground(pixel(150, 100, 90))  # the background is 101, 100, 99 afterwards
    assert median.background is not None and median.background.ravel().tolist() == [101, 100, 99]
    assert not median.foreground(pixel(101, 100.4, 119))  # rounded to 100: at rest
    assert median.background.ravel().tolist() == [101, 100, 100]


# -- mixture of Gaussians


def mixture(**changes: float) -> Mixture:
    return Mixture(3, **{"rate": 0.1, "share": 0.7, "sigma": 10.0, **changes})


def test_the_first_frame_is_the_first_gaussian() -> None:
    model = mixture()
    assert not model.foreground(pixel(100))
    assert model.weight is not None and model.weight.ravel().tolist() == [1, 0, 0]
    assert model.mean[0].ravel().tolist() == [100, 100, 100] and model.variance[0] == 100


def test_a_match_moves_mean_and_variance() -> None:
    model = mixture()
    model.foreground(pixel(100))
    assert not model.foreground(pixel(120, 100, 100))  # within 2.5 * 10
    # weight: 0.9 * 1 + 0.1 = 1; rho = 0.1 / 1; mean: 0.9 * 100 + 0.1 * 120 = 102
    assert model.weight is not None and model.weight.ravel() == pytest.approx([1, 0, 0])
    assert model.mean[0].ravel() == pytest.approx([102, 100, 100])
    # variance: 0.9 * 100 + 0.1 * (18² + 0 + 0) / 3 = 100.8
    assert model.variance[0].item() == pytest.approx(100.8)


def test_no_match_replaces_the_last_gaussian_and_is_foreground() -> None:
    model = mixture()
    model.foreground(pixel(100))
    assert model.foreground(pixel(126, 100, 100))  # one channel is more than 2.5 * 10 away
    # the weight of the first becomes 0.9 * 1, that of the new one alpha
    assert model.weight is not None and sorted(model.weight.ravel()) == pytest.approx([0, 0.1, 0.9])
    new = int(np.argmin(np.abs(model.weight.ravel() - 0.1)))
    assert model.mean[new].ravel().tolist() == [126, 100, 100] and model.variance[new] == 100


def test_what_stays_becomes_background() -> None:
    """The weight of 100 is 0.9, 0.81, 0.729, 0.656 … after frames of 200, and the background while above 0.7."""
    model = mixture()
    model.foreground(pixel(100))
    assert [bool(model.foreground(pixel(200))) for _ in range(6)] == [True, True, True, False, False, False]
    assert not model.foreground(pixel(100))  # the old scene is still one of the background's Gaussians


def test_a_still_pixel_keeps_a_smallest_deviation() -> None:
    model = mixture(rate=1.0)
    for _ in range(5):
        model.foreground(pixel(50))
    assert model.variance[0] == 4
    assert not model.foreground(pixel(55))  # 2.5 * 2


# -- a run


def test_silhouettes_train(toy_catalog: Catalog, tmp_path: Path) -> None:
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32",
        degradation="silhouette-6x8", settings=("method.batch=12", "method.epochs=1", "degradation.detail=2"),
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    record = run(plan, toy_catalog, RunContext(out=tmp_path / "out", cache=tmp_path / "cache")).record
    assert record["track"]["degradation"] == "silhouette-6x8,detail=2"
    assert record["plan"]["settings"]["degradation.detail"] == 2
