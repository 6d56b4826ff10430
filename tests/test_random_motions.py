"""`motions`: random programs of movement, and a camera that pans over the scene."""

from __future__ import annotations

import json
import math
from collections import Counter

import numpy as np
import pytest

from benchmark_core.specs import defaults
from elrbench_plugins import puppets
from elrbench_plugins.puppets.actions import Tempo, tracks
from elrbench_plugins.puppets.camera import Camera
from elrbench_plugins.puppets.motions import _window, render
from elrbench_plugins.puppets.programs import PROGRAMS, program
from elrbench_plugins.puppets.props import Grip

(SPEC,) = (spec for spec in puppets.elr_datasets() if spec.name == "motions")
EVEN = Tempo(phase=0.0, cycles=1.0, begin=0.0, length=1.0)


def listed(**options):
    return SPEC.read_index(None, "subjects", defaults(SPEC) | options)


def test_each_class_is_a_program_of_its_own():
    assert len(SPEC.classes) == PROGRAMS == 128
    assert [program(number).name for number in range(PROGRAMS)] == list(SPEC.classes)
    movements = {json.dumps([program(number).keys, program(number).cycles]) for number in range(PROGRAMS)}
    assert len(movements) == PROGRAMS
    assert program(5) is program(5)


@pytest.mark.parametrize("number", range(PROGRAMS))
def test_a_program_moves_something_and_keeps_hands_within_reach(number):
    action = program(number)
    found = tracks(action, EVEN, 25)
    moved = sum(float(np.abs(points - points[0]).max()) for points in found.values())
    assert moved > 0.05, action
    for hand in ("hand_r", "hand_l"):
        assert (np.square(np.array(action.keys[hand])).sum(1) < 1.0).all()
    assert not (action.single and action.travel)


def test_programs_differ_in_limbs_and_in_tempo():
    actions = [program(number) for number in range(PROGRAMS)]
    assert 20 < sum(bool(action.single) for action in actions) < 70
    assert 10 < sum(action.keys["hand_l"] == action.keys["hand_r"] for action in actions) < 70
    assert min(action.cycles[0] for action in actions) < 0.6 and max(action.cycles[1] for action in actions) > 3


def test_clips_are_balanced_over_classes_and_each_person_does_all():
    index = listed(train=256, test=128)
    train = index.split("1", "train")
    assert set(Counter(clip.target for clip in train).values()) == {2}
    assert set(Counter(clip.group for clip in train).values()) == {128}
    assert not {clip.group for clip in train} & {clip.group for clip in index.split("1", "test")}


def test_the_size_and_the_length_are_those_asked_for():
    (frames,) = render(listed(train=1, test=1, rows=40, columns=56, frames=20).clips[0].source.key)
    assert {plane.shape[1:] for plane in frames.planes} == {(40, 56)}
    assert 12 <= len(frames.planes[0]) <= 28


def test_the_window_shifts_the_scene_with_the_camera():
    scene = np.arange(6 * 7, dtype=np.float32).reshape(1, 6, 7, 1).repeat(3, 0).repeat(3, 3)
    drift = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, -1.0]])  # right by one pixel, then up by one
    seen = _window(scene, drift, 1, 4, 5)[..., 0]
    assert seen.shape == (3, 4, 5)
    assert (seen[0] == scene[0, 1:5, 1:6, 0]).all()
    assert (seen[1, :, 1:] == seen[0, :, :-1]).all()  # a thing at column 0 is at column 1
    assert (seen[2, :-1] == seen[0, 1:]).all()  # a thing at row 1 is at row 0


STRAIGHT_DOWN = {"yaw": 0.0, "roll": 0.0, "stature": 20.0, "x": 10.0, "y": 8.0, "columns": 20, "mirrored": False}


def camera_above(frames: int, pitch: float) -> Camera:
    return Camera(pitch=pitch, jitter=np.zeros((frames, 2)), overhead=True, **STRAIGHT_DOWN)


def test_a_held_object_seen_from_straight_above_has_a_direction():
    hand = np.array([[0.2, 0.7, 0.5], [0.1, 0.9, 0.3]])
    for pitch in (math.pi / 2, math.pi / 2 - 0.2):
        grip = Grip(
            joints={"hand_r": hand}, body=None, camera=camera_above(2, pitch), turns=np.zeros(2), colour=(255, 0, 0)
        )
        assert grip.upright().tolist() == [[0, -1], [0, -1]]


def test_a_camera_above_sees_the_head_before_the_feet():
    camera = camera_above(1, math.pi / 2)
    # side, up, forward in statures: head above the feet, and a hand 0.2 to the side and 0.5 in front
    (head, top), (hand, _), (_, foot) = (
        camera.see(np.array([place])) for place in ((0.0, 0.95, 0.0), (0.2, 0.7, 0.5), (0.0, 0.0, 0.0))
    )
    assert head.tolist() == [[10.0, 8.0]] and hand.tolist() == [[14.0, 18.0]]
    assert top > foot


def test_a_camera_above_changes_the_clips_and_stays_still():
    level, above = (listed(train=2, test=1, camera=camera).clips[1] for camera in ("level", "above"))
    assert level.source.key == listed(train=2, test=1).clips[1].source.key and "camera" not in level.source.key
    (frames,) = render(above.source.key)
    pictures = np.stack(frames.planes).astype(np.float32)
    corner = pictures[:, :, :4, :4].mean((0, 2, 3))  # only the noise changes there
    assert np.abs(corner - corner[0]).max() < 2.5
    assert np.abs(pictures[:, 1:] - pictures[:, :-1]).max() > 40  # the figure moves
