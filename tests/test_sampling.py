"""Frame numbers worked out by hand, and the ranges that chance may reach."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark_core.clips.sampling import Sampling
from benchmark_core.errors import ElrError


def at(text: str, count: int) -> list[list[int]]:
    return Sampling.parse(text).numbers(count, None)[0].tolist()


@pytest.mark.parametrize("text", ["4x1", "8x1", "4x5", "4x1s2", "1x64s4", "windows-16", "windows-64", "clip-24"])
def test_texts_round_trip(text: str) -> None:
    expected = "4x1" if text == "4x1s1" else text
    assert str(Sampling.parse(text)) == expected


OTHERS = ("", "4", "x1", "4x", "0x1", "4x0", "4x1s0", "windows", "windows-0", "4X1", "4x1 ", "a")


@pytest.mark.parametrize("text", [*OTHERS, "clip", "clip-0", "clip-9s2", "2xclip-8"])
def test_other_texts_are_named(text: str) -> None:
    with pytest.raises(ElrError, match=f"sampling '{text}' is not valid; use KxT"):
        Sampling.parse(text)


def test_centres_of_intervals() -> None:
    # 20 frames in 4 intervals of 5: 0-4, 5-9, 10-14, 15-19.
    assert at("4x1", 20) == [[2], [7], [12], [17]]
    assert at("4x3", 20) == [[1, 2, 3], [6, 7, 8], [11, 12, 13], [16, 17, 18]]
    assert at("4x3s2", 20) == [[0, 2, 4], [5, 7, 9], [10, 12, 14], [15, 17, 19]]
    # 10 frames: edges at 0, 2, 5, 7, 10.
    assert at("4x1", 10) == [[0], [3], [5], [8]]


def test_frames_that_reach_over_an_interval_stay_consecutive_and_inside_the_clip() -> None:
    # 15 frames, edges 0, 3, 7, 11, 15: five frames around each middle, kept within 0-14.
    assert at("2x5", 6) == [[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]]
    assert at("4x5", 15) == [[0, 1, 2, 3, 4], [2, 3, 4, 5, 6], [6, 7, 8, 9, 10], [10, 11, 12, 13, 14]]


def test_short_clips_repeat_the_last_frame() -> None:
    assert at("2x5", 3) == [[0, 1, 2, 2, 2]] * 2
    assert at("4x1", 1) == [[0]] * 4
    assert at("windows-16", 15) == [[*range(15), 14]]


@pytest.mark.parametrize(
    ("text", "width", "first"),
    [("1x1", 2, 20), ("1x1", 4, 19), ("1x1", 16, 13), ("1x2", 4, 19), ("1x3", 8, 18), ("1x1", 5, 18), ("1x4", 4, 20)],
)
def test_a_bundle_has_one_frame_fewer_before_than_after_if_it_cannot_be_centred(
    text: str, width: int, first: int
) -> None:
    """T frames from frame 20 on, widened to `width`: floor((width - T) / 2) frames are put before them."""
    sampling = Sampling.parse(text)
    wide = sampling.widen(20 + np.arange(sampling.t)[None], 60, width)
    assert wide.tolist() == [list(range(first, first + width))]


def test_windows_take_all_frames_in_testing() -> None:
    assert at("windows-4", 8) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert at("windows-4", 9) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 8, 8, 8]]
    _, mask = Sampling.parse("windows-4").numbers(9, None)
    assert mask.tolist() == [1, 1, 1]


def test_training_reaches_every_frame_of_an_interval_and_no_other() -> None:
    rng = np.random.default_rng(0)
    drawn = np.stack([Sampling.parse("4x1").numbers(20, rng)[0][:, 0] for _ in range(400)])  # (draws, K)
    for interval in range(4):
        assert sorted(set(drawn[:, interval])) == list(range(5 * interval, 5 * interval + 5))
    starts = {int(Sampling.parse("2x3").numbers(10, rng)[0][1, 0]) for _ in range(200)}
    assert starts == {5, 6, 7}


def test_training_draws_one_window_anywhere() -> None:
    rng = np.random.default_rng(0)
    drawn = [Sampling.parse("windows-16").numbers(18, rng)[0] for _ in range(100)]
    assert {numbers.shape for numbers in drawn} == {(1, 16)}
    assert {int(numbers[0, 0]) for numbers in drawn} == {0, 1, 2}
    assert all((np.diff(numbers[0]) == 1).all() for numbers in drawn)
    assert Sampling.parse("windows-16").numbers(3, rng)[0].tolist() == [[0, 1, 2] + [2] * 13]


@pytest.mark.parametrize("text", ["4x1", "8x1", "4x5", "4x5s3", "windows-16", "clip-1", "clip-24"])
@pytest.mark.parametrize("count", [1, 2, 7, 15, 40])
def test_numbers_stay_in_the_clip(text: str, count: int) -> None:
    sampling = Sampling.parse(text)
    for rng in (None, np.random.default_rng(count)):
        numbers, mask = sampling.numbers(count, rng)
        assert numbers.min() >= 0 and numbers.max() < count
        assert numbers.shape == (len(mask), sampling.t)
        assert (np.diff(numbers[:, 0]) >= 0).all() or text.startswith("windows")


def test_what_counts_as_padded() -> None:
    assert [Sampling.parse("4x1").pads(count) for count in (3, 4)] == [True, False]
    assert [Sampling.parse("2x5").pads(count) for count in (4, 5)] == [True, False]
    assert [Sampling.parse("1x3s4").pads(count) for count in (8, 9)] == [True, False]
    assert [Sampling.parse("windows-16").pads(count) for count in (15, 16)] == [True, False]


def test_a_clip_sampling_takes_the_centres_of_equal_parts() -> None:
    assert at("clip-4", 20) == [[2, 7, 12, 17]]
    assert at("clip-4", 10) == [[1, 3, 6, 8]]  # centres at 1.25, 3.75, 6.25, 8.75
    assert at("clip-5", 5) == [[0, 1, 2, 3, 4]]
    assert at("clip-6", 3) == [[0, 0, 1, 1, 2, 2]]
    assert at("clip-1", 7) == [[3]]
    assert Sampling.parse("clip-24").numbers(100, None)[1].tolist() == [1]
    assert [Sampling.parse("clip-16").pads(count) for count in (15, 16)] == [True, False]


def test_a_clip_sampling_draws_crop_and_speed() -> None:
    """Length: three quarters of the clip to all of it. Every frame is reached, and order is kept."""
    rng = np.random.default_rng(0)
    drawn = np.stack([Sampling.parse("clip-10").numbers(100, rng)[0][0] for _ in range(2000)])
    assert (np.diff(drawn) >= 0).all() and drawn.min() == 3 and drawn.max() == 96  # parts of 7.5 frames or more
    spans = drawn[:, -1] - drawn[:, 0]  # nine tenths of the length, uniform in [67.5, 90]
    assert 66 <= spans.min() < 69 and 88 < spans.max() <= 90 and abs(spans.mean() - 78.75) < 1
    short = Sampling.parse("clip-10").numbers(3, rng)[0][0]
    assert (np.diff(short) >= 0).all() and short.max() < 3


def test_a_clip_sampling_draws_two_numbers_in_a_fixed_order() -> None:
    class Drawn:
        values = [0.5, 1.0]

        def random(self) -> float:
            return self.values.pop(0)

    numbers, _ = Sampling.parse("clip-4").numbers(40, Drawn())  # type: ignore[arg-type]
    assert numbers.tolist() == [[9, 18, 26, 35]]  # 35 frames from frame 5: centres at 9.375, 18.125, 26.875, 35.625


def test_a_clip_sampling_is_widened_at_its_own_speed() -> None:
    sampling = Sampling.parse("clip-4")
    numbers = sampling.numbers(20, None)[0]  # 2, 7, 12, 17
    assert sampling.widen(numbers, 20, 4) is numbers
    assert sampling.widen(numbers, 40, 3).tolist() == [[0, 2, 7, 12, 17, 22]]
    assert sampling.widen(numbers, 20, 8).tolist() == [[0, 0, 2, 7, 12, 17, 19, 19]]
    assert Sampling.parse("clip-1").widen(np.array([[5]]), 20, 4).tolist() == [[4, 5, 6, 7]]


def test_a_clip_has_a_frame() -> None:
    with pytest.raises(ValueError, match="at least one frame"):
        Sampling.parse("4x1").numbers(0, None)
