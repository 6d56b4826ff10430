"""What a report counts and draws of predictions, logs, passes and maps: by hand, with no page made."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from run_records import make_cost, make_record
from torch import nn

from benchmark_core.networks.recognizer import Recognizer, Trace
from benchmark_core.scoring.predictions import Predictions
from elrbench_plugins.commands.report import attention, features, figures, run_clips
from elrbench_plugins.commands.report.page import printable
from elrbench_plugins.commands.report.pictures import colours, stretched

CLASSES = ("a", "b", "c")


def single(logits: list[list[float]], targets: list[int]) -> Predictions:
    ids = tuple(f"clip{number}" for number in range(len(targets)))
    return Predictions(ids, np.array(targets), np.array(logits, dtype=float), CLASSES)


def several(logits: list[list[float]], targets: list[list[int]]) -> Predictions:
    ids = tuple(f"clip{number}" for number in range(len(targets)))
    return Predictions(ids, np.array(targets), np.array(logits, dtype=float), CLASSES)


# -- of predictions


def test_the_confusion_matrix_counts_rows_of_truth() -> None:
    """Of equal logits the lower class number is said, as in scoring."""
    found = single([[3, 1, 0], [0, 2, 2], [1, 0, 5], [0, 4, 1]], [0, 2, 2, 0])
    assert figures.matrix(found, 0.0).tolist() == [[1, 1, 0], [0, 0, 0], [0, 1, 1]]


def test_classes_that_come_together_count_a_clip_in_several_cells() -> None:
    """Clip 0 is a and b, and a and c are said; clip 1 is b, and b is; a logit at the threshold is not above it."""
    found = several([[1, -1, 2], [-1, 3, 0]], [[1, 1, 0], [0, 1, 0]])
    assert figures.matrix(found, 0.0).tolist() == [[1, 0, 1], [1, 1, 1], [0, 0, 0]]
    assert figures.matrix(found, 1.5).tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 0]]


def test_the_most_confused_pair_is_the_one_of_the_larger_share() -> None:
    counts = np.array([[90, 10, 0], [2, 2, 0], [0, 1, 9]])
    found = figures.confused(counts, [100, 4, 10], CLASSES)
    assert [(pair["truth"], pair["said"], pair["clips"], pair["of"]) for pair in found] == [
        ("b", "a", 2, 4),
        ("a", "b", 10, 100),  # 0.1, as the next, but of more clips
        ("c", "b", 1, 10),
    ]
    assert found[0]["share"] == 0.5


def test_losses_are_cross_entropies() -> None:
    """-log softmax of (0, 0, 0) is log 3; -log sigmoid of 0 is log 2 whichever the label, and of ln 3 it is log 4/3."""
    assert figures.losses(single([[0, 0, 0], [0, 0, math.log(2)]], [1, 2])) == pytest.approx([math.log(3), math.log(2)])
    found = figures.losses(several([[0, 0, math.log(3)]], [[1, 0, 1]]))
    assert found == pytest.approx([(2 * math.log(2) + math.log(4 / 3)) / 3])


def test_best_and_worst_take_a_clip_of_each_class_in_turn() -> None:
    """Class 0 has the three surest clips; the best of the others come before its second."""
    found = single([[9, 0, 0], [8, 0, 0], [7, 0, 0], [0, 2, 0], [0, 0, 1]], [0, 0, 0, 1, 2])
    every = range(5)
    assert figures.extremes(found, every, 4, 0.0, best=True) == [0, 3, 4, 1]
    assert figures.extremes(found, [1, 2], 9, 0.0, best=True) == [1, 2]  # of those that are there, all
    assert figures.extremes(found, [], 3, 0.0, best=True) == []
    assert figures.extremes(found, every, 2, 0.0, best=False) == []  # all are right


def test_best_clips_are_right_and_worst_clips_are_wrong() -> None:
    """Clip 1 is wrong with a small loss, clip 2 with a large one."""
    found = single([[1, 0, 0], [0.4, 0.5, 0], [5, 0, 0], [0, 0, 3]], [0, 0, 1, 2])
    assert figures.extremes(found, range(4), 9, 0.0, best=True) == [3, 0]
    assert figures.extremes(found, range(4), 9, 0.0, best=False) == [2, 1]
    decided = several([[1, -1, 2], [-1, 3, -2], [-1, 1, 1]], [[1, 0, 1], [0, 1, 0], [0, 1, 0]])
    assert figures.is_right(decided, 0.0).tolist() == [True, True, False]
    assert figures.is_right(decided, 1.5).tolist() == [False, True, False]


def test_what_is_said_of_a_clip() -> None:
    told = figures.clip_caption(single([[0, math.log(3), -99]], [0]), 0, 0.0)
    assert told["truth"] == ["a"] and not told["right"] and told["of_truth"] == pytest.approx(0.25)
    assert [name for name, _ in told["said"]] == ["b", "a", "c"] and told["said"][0][1] == pytest.approx(0.75)
    told = figures.clip_caption(several([[1, -1, 2]], [[1, 0, 1]]), 0, 0.0)
    assert told["right"] and [name for name, _ in told["said"]] == ["c", "a"]
    told = figures.clip_caption(several([[-1, -1, -2]], [[0, 0, 0]]), 0, 0.0)
    assert told["right"] and told["truth"] == told["said"] == []  # nothing is there, and nothing is said


def test_recalls_have_an_interval_and_what_has_no_clips_has_none() -> None:
    rows = figures.per_class(make_record())  # of a record of 20 clips of class a, half of them right
    assert rows[0]["value"] == 0.5 and rows[0]["low"] == pytest.approx(0.2993, abs=1e-4)
    assert rows[1] == {"name": "b", "n": 0, "value": None, "low": None, "high": None}


# -- of the log


def test_numbered_figures_share_a_plot_and_the_loss_comes_first() -> None:
    """Epochs are counted through the loops of a stage, each of which counts from 0."""
    rows = [{"epoch": 0, "sat_1": 3.0, "loss": 2.0, "sat_2": 4.0, "ce": 5.0}, {"epoch": 0, "sat_1": 1.0, "loss": 1.5}]
    found = figures.curves({"joint": rows, "empty": []})
    assert [(plot["stage"], plot["title"]) for plot in found] == [
        ("joint", "loss"),
        ("joint", "sat_*"),
        ("joint", "ce"),
    ]
    assert found[1]["points"] == [
        {"epoch": 1, "value": 3.0, "figure": "sat_1"},
        {"epoch": 2, "value": 1.0, "figure": "sat_1"},
        {"epoch": 1, "value": 4.0, "figure": "sat_2"},
    ]


def test_scores_on_held_out_clips_have_plots_after_the_loss_and_a_summary() -> None:
    rows = [
        {"epoch": 0, "sat": 1.0, "loss": 2.0},
        {"epoch": 1, "sat": 1.0, "loss": 1.0, "holdout_top1": 0.5},
        {"epoch": 0, "sat": 1.0, "loss": 1.0, "holdout_top1": 0.75},
        {"epoch": 1, "sat": 1.0, "loss": 1.0, "holdout_top1": 0.75},
        {"epoch": 2, "sat": 1.0, "loss": 1.0, "holdout_top1": 0.25},
    ]
    plots = {plot["title"]: plot["points"] for plot in figures.curves({"joint": rows})}
    assert list(plots) == ["loss", "holdout_top1", "sat"]
    assert [(point["epoch"], point["value"]) for point in plots["holdout_top1"]] == [
        (2, 0.5), (3, 0.75), (4, 0.75), (5, 0.25)
    ]  # fmt: skip
    log = {"joint": rows, "teacher": [{"epoch": 0, "loss": 1.0}]}
    assert figures.held_out(log, "top1") == [{"stage": "joint", "best": (3, 0.75), "last": (5, 0.25), "epochs": 4}]
    assert figures.held_out(log, "f1_macro") == []


# -- of passes


def test_spatial_attention_is_the_sum_over_channels_of_magnitudes() -> None:
    stage = torch.tensor([[[[1.0, -2.0]], [[-3.0, 4.0]]]])  # (1, 2, 1, 2)
    assert attention.spatial(stage).tolist() == [[[4.0, 6.0]]]


def test_frames_stand_under_the_step_of_time_that_they_fall_in() -> None:
    """Two intervals of four frames over maps of two steps each: frames 0 1 | 2 3 | 4 5 | 6 7."""
    maps = np.arange(4, dtype=np.float32).reshape(2, 2, 1, 1)
    assert attention.per_frame(maps, 8).ravel().tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert attention.per_frame(np.arange(3, dtype=np.float32).reshape(3, 1, 1), 3).ravel().tolist() == [0, 1, 2]


def test_heat_goes_from_the_clips_least_to_its_most() -> None:
    assert stretched(np.array([[[2.0, 4.0]], [[3.0, 6.0]]], dtype=np.float32)).ravel().tolist() == [0, 0.5, 0.25, 1]
    assert stretched(np.full((1, 2, 2), 7.0, dtype=np.float32)).tolist() == [[[0, 0], [0, 0]]]


def test_shown_frames_are_even_with_both_ends() -> None:
    assert run_clips.even_frames(4).tolist() == [0, 1, 2, 3]
    assert run_clips.even_frames(16, 4).tolist() == [0, 5, 10, 15]
    assert run_clips.even_frames(1).tolist() == [0]


def test_the_middle_frames_of_a_widened_view_are_shown() -> None:
    """Two intervals widened from 2 frames to 6."""
    view = torch.arange(12.0).reshape(2, 1, 6, 1, 1).expand(2, 3, 6, 1, 1)
    assert run_clips.frames_of(view, 2)[:, 0].ravel().tolist() == [2, 3, 8, 9]


def test_flow_is_coloured_by_direction_and_lit_by_length() -> None:
    """Right is red, left is cyan, and what stands still is black."""
    flow = torch.zeros(1, 2, 1, 3)
    flow[0, 0, 0] = torch.tensor([1.0, -1.0, 0.0])
    assert colours(flow)[0, 0].tolist() == [[255, 0, 0], [0, 255, 255], [0, 0, 0]]
    assert colours(torch.tensor([0.0, 1.0, 2.0]).reshape(1, 3, 1, 1))[0, 0, 0].tolist() == [0, 255, 255]


def passed(features: torch.Tensor, **taps: torch.Tensor) -> Trace:
    return Trace(image=torch.zeros(1), stages=[], features=features, logits=torch.zeros(1), head_outputs=taps)


def test_clip_features_are_the_mean_over_real_intervals() -> None:
    """Or the head's own weighted sum; of maps the mean over places first."""
    both = torch.tensor([[[1.0, 2.0], [3.0, 6.0]]])  # (1, 2, 2)
    assert features.clip_features(passed(both), np.array([[1.0, 1.0]])).tolist() == [[2.0, 4.0]]
    assert features.clip_features(passed(both), np.array([[1.0, 0.0]])).tolist() == [[1.0, 2.0]]
    weights = torch.tensor([[0.25, 0.75]])
    assert features.clip_features(passed(both, weights=weights), np.array([[1.0, 1.0]])).tolist() == [[2.5, 5.0]]
    maps = torch.tensor([[[[[1.0, 3.0]]]]])  # (1, 1, 1, 1, 2)
    assert features.clip_features(passed(maps), np.array([[1.0]])).tolist() == [[2.0]]


def test_a_sample_has_every_classes_share() -> None:
    found = single([[0.0, 0, 0]] * 12, [0] * 8 + [1] * 4)
    taken = features.sample(found, 6)
    assert len(taken) == 6 and sum(int(key.removeprefix("clip")) >= 8 for key in taken) == 2
    assert features.sample(found, 99) == list(found.ids)


def test_costly_networks_lay_out_fewer_clips_on_a_processor() -> None:
    def most(macs: float, device: str = "cpu") -> int:
        cost = make_cost("net", **{"macs": {"view": macs, "clip": macs, "enhancer": 0.0}})
        return features.affordable([cost], torch.device(device))

    assert (most(1e9), most(1e10), most(1e12)) == (240, 60, 24)
    assert most(1e12, "cuda") == features.affordable([], torch.device("cpu")) == 240


class Bright(nn.Module):
    """An enhancer that doubles sides and holds what is bright to be foreground; `frames` at once."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self.frames = frames

    def forward(self, low: torch.Tensor) -> torch.Tensor:
        return low.repeat_interleave(2, -1).repeat_interleave(2, -2)

    def attention(self, low: torch.Tensor) -> torch.Tensor:
        assert low.ndim == (4 if self.frames == 1 else 5)
        return self(low).mean(1, keepdim=True)


def behind(enhancer: nn.Module, frames: int) -> Recognizer:
    return Recognizer(
        enhancer=enhancer, backbone=nn.Identity(), head=nn.Identity(), dims=3, mean=[0.0] * 3, std=[1.0] * 3,
        frames=frames, frames_at_once=getattr(enhancer, "frames", 1),
    )  # fmt: skip


def test_foreground_is_of_the_frames_that_are_kept() -> None:
    """Two intervals widened from 2 frames to 4, of which an enhancer takes 2 at once: frames 1 and 2 of each."""
    view = torch.arange(8.0).reshape(2, 1, 4, 1, 1).expand(2, 3, 4, 1, 1)
    found = attention.foreground(behind(Bright(2), 2), view)
    assert found is not None and found.shape == (4, 2, 2)
    assert found[:, 0, 0].tolist() == [1, 2, 5, 6]
    single_frames = attention.foreground(behind(Bright(1), 4), view)
    assert single_frames is not None and single_frames[:, 0, 0].tolist() == list(range(8))
    assert attention.foreground(behind(nn.Identity(), 2), view) is None


# -- of names


def test_a_page_holds_what_is_no_character_as_text() -> None:
    assert printable({"a\x07": ["b\udcff", "c\nd\t", 3, None, "é\u202e"]}) == {
        "a\\x07": ["b\\udcff", "c\nd\t", 3, None, "é\u202e"]
    }
