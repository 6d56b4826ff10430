"""HOF, MBH, HOG and pooled time series: votes, cells and pooling by hand; motion is found in drawn clips."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from benchmark_core.cost.macs import WorkCounter, count_work
from elrbench import ElrError
from elrbench_plugins.hof_svm.flow import flow_of, luma, real_frames
from elrbench_plugins.hof_svm.grids import read_grids
from elrbench_plugins.hof_svm.histograms import gradient, histograms, motion_votes, votes
from elrbench_plugins.hof_svm.hof import Hof, hof
from elrbench_plugins.hof_svm.pot import (
    Pot,
    absolute_gradients,
    cell_means,
    directions,
    gradient_filters,
    pool_series,
    pot,
)

pytest.importorskip("cv2")


def of_vector(right: float, down: float, still: float | None = None) -> list[float]:
    """The histogram of a picture of one vector: 8 bins, or 9 with one for no motion."""
    field = torch.tensor([float(right), down]).reshape(1, 2, 1, 1)
    kind = votes(field, 8) if still is None else motion_votes(field, 8, still)
    found: list[float] = histograms([(0, vote) for vote in kind], 8 if still is None else 9, [(1, 1, 1)])[0].tolist()
    return found


def test_a_vector_votes_for_its_two_nearest_directions() -> None:
    assert of_vector(3, 0) == pytest.approx([3, 0, 0, 0, 0, 0, 0, 0])
    assert of_vector(0, 2) == pytest.approx([0, 0, 2, 0, 0, 0, 0, 0], abs=1e-6)  # down
    assert of_vector(-1, 0) == pytest.approx([0, 0, 0, 0, 1, 0, 0, 0], abs=1e-6)
    assert of_vector(0, -1) == pytest.approx([0, 0, 0, 0, 0, 0, 1, 0], abs=1e-6)
    between = math.radians(22.5)
    assert of_vector(math.cos(between), math.sin(between)) == pytest.approx([0.5, 0.5, 0, 0, 0, 0, 0, 0], abs=1e-6)
    assert of_vector(math.cos(-between / 2), math.sin(-between / 2)) == pytest.approx(
        [0.75] + [0] * 6 + [0.25], abs=1e-6
    )


def test_a_slow_pixel_votes_for_the_bin_of_no_motion() -> None:
    assert of_vector(0.3, 0, still=0.4) == pytest.approx([0] * 8 + [1])
    assert of_vector(0.4, 0, still=0.4) == pytest.approx([0.4] + [0] * 8)


def test_cells_hold_the_pixels_of_their_part() -> None:
    field = torch.zeros(2, 2, 2, 4)  # two frames of 2x4
    field[0, 0, 0, 0], field[0, 0, 1, 2], field[1, 0, 0, 3] = 1, 2, 4  # all to the right
    ballot = [(1, vote) for vote in votes(field, 4)]
    found = histograms(ballot, 5, [(1, 1, 1), (1, 2, 2), (2, 1, 4)])
    assert found.shape == (1 + 4 + 8, 5)
    assert (8 * found[:, 1]).tolist() == [7, 1, 4, 0, 2, 1, 0, 2, 0, 0, 0, 0, 4]
    assert found[:, [0, 2, 3, 4]].abs().sum() == 0


def test_gradient_of_a_ramp() -> None:
    ramp = torch.arange(5.0).expand(1, 4, 5) ** 2
    assert gradient(ramp)[0, 0, 2].tolist() == [1, 2, 4, 6, 7]
    assert gradient(ramp)[0, 1].abs().sum() == 0


def moving(frames: int = 12, step: float = 2.0) -> Tensor:
    """A bright disc (3, T, 48, 64) in [0, 1] that moves to the right by `step` pixels a frame."""
    row, column = torch.arange(48.0)[:, None], torch.arange(64.0)
    seen = [torch.exp(-((row - 24) ** 2 + (column - 16 - step * t) ** 2) / 60) for t in range(frames)]
    return torch.stack(seen).expand(3, -1, -1, -1).contiguous()


def test_flow_of_a_moving_disc() -> None:
    flow = flow_of(luma(moving()))
    assert flow.shape == (11, 2, 48, 64)
    assert flow[:, 0, 20:28, 16:30].mean() == pytest.approx(2, abs=0.5)
    assert flow_of(luma(moving(1))).abs().sum() == 0


def test_luma_is_bt601_in_grey_levels() -> None:
    assert luma(torch.tensor([1.0, 0.5, 0.0]).reshape(3, 1, 1, 1)).item() == pytest.approx(
        255 * (0.299 + 0.587 / 2), rel=1e-4
    )


def test_hof_finds_the_direction() -> None:
    network = hof(3, {"grids": "1x1x1"})
    to_right, to_left = (network.describe(clip)[:9] for clip in (moving(), moving().flip(-1)))
    assert to_right[:8].argmax() == 0 and to_left[:8].argmax() == 4


def test_repeated_last_frames_do_not_count() -> None:
    clip = moving(6)
    padded = torch.cat([clip, clip[:, -1:].expand(-1, 5, -1, -1)], 1)
    assert (real_frames(clip), real_frames(padded), real_frames(clip[:, :1])) == (6, 6, 1)
    for network in (hof(2), pot(2)):
        assert torch.equal(network.describe(padded), network.describe(clip))


def test_a_window_of_one_frame_has_no_motion() -> None:
    """The last window of a clip may be that short."""
    frame = moving(1)
    padded = torch.cat([frame, frame.expand(-1, 5, -1, -1)], 1)
    for network in (hof(2), pot(2)):
        found = network.describe(padded)
        assert torch.equal(found, network.describe(frame)) and found.shape == (network.num_features,)
        assert found.isfinite().all()
    assert not pot(2).describe(frame).split(Pot(2).group_sizes)[0].any()  # sums of flow


def test_sizes() -> None:
    assert Hof(2).num_features == (1 + 4 + 24 + 96) * (9 + 8 + 8 + 8)
    assert Pot(2).num_features == 2 * 4 * 15 * 5 * 5 * 8
    clips = torch.rand(2, 3, 4, 24, 32)
    for network in (Hof(2, grids="1x1x1,2x3x4"), Pot(2, levels=2)):
        assert network(clips).shape == (2, 2)
        assert network.pool(network.forward_features(clips)[-1]).shape == (2, network.num_features)
        assert network.forward_features(clips.to("meta"))[-1].shape[1] == network.num_features


def test_pooled_series_by_hand() -> None:
    series = torch.tensor([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0], [5.0, 1.0]])  # n = 4, D = 2
    found = pool_series(series, levels=2, lag=1, least=0.5).reshape(4, 3, 2)
    assert (4 * found[0]).tolist() == [[8, 4], [2, 2], [6, 2]]  # sums of the whole, of each half
    assert (4 * found[1]).tolist() == [[2, 0], [1, 0], [1, 0]]  # 0 -> 2 and 1 -> 5
    assert (4 * found[2]).tolist() == [[1, 0], [0, 0], [1, 0]]  # 2 -> 1, in the window of the 1
    assert found[3].tolist() == [[5, 1], [2, 1], [5, 1]]
    # Three frames: halves end at frame 1.5, rounded up. Windows of a single frame's quarters may be empty.
    assert (3 * pool_series(series[:3], 2, 1, 0.5).reshape(4, 3, 2)[0, 1:, 0]).tolist() == [2, 1]
    assert pool_series(series[:1], 3, 2, 0.5).reshape(4, 7, 2)[3, 3:, 1].tolist() == [0, 1, 0, 0]


def test_directions_by_hand() -> None:
    """Bins begin at -180 degrees; right is at 0, the beginning of bin 2 of 4."""
    flow = torch.tensor([[1.0, 0], [0, 1], [-1, 0.01], [-1, -0.01], [0.3, 0]]).T.reshape(1, 2, 1, 5)
    found = directions(flow, 4, still=0.6)[0, :, 0]
    assert found.argmax(0)[:4].tolist() == [2, 3, 3, 0] and found.sum(0).tolist() == [1, 1, 1, 1, 0]


def test_absolute_gradients_by_hand() -> None:
    """A ramp of 3 grey levels a pixel to the right: 2 pixels apart at 0 degrees, 2 cos 45 at 45, 0 downwards."""
    ramp = 3 * torch.arange(8.0).expand(1, 7, 8)
    found = absolute_gradients(ramp, gradient_filters(4))
    assert found.shape == (1, 4, 7, 8)
    assert found[0, :, 3, 4].tolist() == pytest.approx([6, 6 * math.sqrt(0.5), 0, 6 * math.sqrt(0.5)], abs=1e-5)
    assert found[:, :, :2].abs().sum() == found[:, :, :, -2:].abs().sum() == 0  # two pixels at each border


def test_cell_means_by_hand() -> None:
    values = torch.arange(12.0).reshape(1, 1, 3, 4)
    assert cell_means(values, 2).tolist() == [[(0 + 1 + 4 + 5) / 4, (2 + 3 + 6 + 7) / 4, 8.5, 10.5]]


def test_pooled_time_series_of_a_moving_disc() -> None:
    """Flow to the right is in the bins around 0 degrees, and every operator of both descriptors sees change."""
    network = pot(2)
    found = network.describe(moving()).split(network.group_sizes)
    sums = found[0].reshape(15, 25, 8)[0].sum(0)
    assert sums[3:5].sum() > 0.9 * sums.sum() > 0
    assert all((group > 0).float().mean() > 0.02 for group in found)
    grey_rises, grey_falls = found[4].chunk(2)
    assert (grey_rises > 0).float().mean() > 0.1 and (grey_falls > 0).float().mean() > 0.1


def test_the_first_frame_of_a_clip_has_no_motion() -> None:
    found = pot(2, {"levels": 4}).describe(moving(8)).split(Pot(2).group_sizes)[0].reshape(15, 25 * 8)
    assert found[7].sum() == 0 < found[8].sum()  # the first and the second of eight windows


def test_a_count_of_macs_says_that_flow_is_not_counted() -> None:
    counter: WorkCounter = count_work(Hof(2, grids="1x1x1"), torch.rand(1, 3, 4, 24, 32))
    assert counter.uncounted["elrbench::dis_flow"] == 1


@pytest.mark.parametrize(("text", "word"), [("1x1", "TxYxX"), ("0x1x1", "TxYxX"), ("", "TxYxX"), ("1x99x1", "cells")])
def test_wrong_grids_are_one_error(text: str, word: str) -> None:
    with pytest.raises(ElrError, match=word):
        read_grids(text, (48, 64))
