"""The drawn datasets: lists, labels, determinism, and that small parts are small."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from benchmark_core.errors import ElrError
from benchmark_core.specs import defaults
from elrbench_plugins import puppets
from elrbench_plugins.puppets.actions import ACTIONS, SINGLE, Tempo, tracks
from elrbench_plugins.puppets.draws import GENERATOR_VERSION, Draws
from elrbench_plugins.puppets.figure import Body, bend, joints
from elrbench_plugins.puppets.raster import Capsule, Plate, paint

SPECS = {spec.name: spec for spec in puppets.elr_datasets() if "subjects" in spec.protocols}
# sha256 of the first clip of each set and of a later one. A change here is a change of GENERATOR_VERSION.
HASHES = {
    "puppets": ("97c9e7e29ec9a617", "7b48e86751ea1d90"),
    "tiny-puppets": ("16a84a912117b2ba", "311c8a861ca62020"),
    "motions": ("4eafe0a1fa189703", "d5ea92ecaf74ad06"),
}
LATER = {"puppets": 5, "tiny-puppets": 2, "motions": 9}
PEOPLE = {"puppets": 40, "tiny-puppets": 40, "motions": 75}  # who train


def listed(name, **options):
    spec = SPECS[name]
    return spec.read_index(None, "subjects", defaults(spec) | options)


def drawn(source, **changes):
    """The clip as uint8 (T, rows, columns, 3); `changes` go into its key, `props` to `render`."""
    flags = {"props": changes.pop("props")} if "props" in changes else {}
    key = json.dumps(json.loads(source.key) | changes)
    module, _, attribute = source.render.partition(":")
    render = getattr(sys.modules[module], attribute)
    return np.concatenate([np.stack(frames.planes, -1) for frames in render(key, **flags)])


def areas(clip, rows, columns):
    """Means over equal areas, (T, rows, columns, 3), by cumulative sums."""
    out = clip.astype(np.float64)
    for axis, size in ((1, rows), (2, columns)):
        length = out.shape[axis]
        total = np.concatenate([np.zeros_like(out.take([0], axis)), out.cumsum(axis)], axis)
        edges = np.arange(size + 1) * length / size
        low = np.minimum(edges.astype(int), length - 1)
        share = (edges - low).reshape([-1 if k == axis else 1 for k in range(4)])
        at = total.take(low, axis) + share * (total.take(low + 1, axis) - total.take(low, axis))
        out = np.diff(at, axis=axis) * size / length
    return out


@pytest.mark.parametrize("name", SPECS)
def test_clip_is_the_same_everywhere(name):
    index = listed(name, draw_seed=0)
    hashes = []
    for number in (0, LATER[name]):
        source = index.clips[number].source
        first = drawn(source)
        assert (first == drawn(source)).all()
        hashes.append(hashlib.sha256(first.tobytes()).hexdigest()[:16])
    assert GENERATOR_VERSION == 1
    assert tuple(hashes) == HASHES[name]


def test_numbers_are_fixed_and_streams_apart():
    assert Draws(1, 0, 7).units(2).tolist() == Draws(1, 0, 7).units(2).tolist()
    firsts = {Draws(stream, seed, number).between(0, 1) for stream in (1, 2) for seed in (0, 1) for number in (0, 1)}
    assert len(firsts) == 8
    assert Draws(1, 0, 0).octets(11).shape == (11,)


@pytest.mark.parametrize("name", SPECS)
def test_key_of_another_generator_is_refused(name):
    source = listed(name, train=1, test=1).clips[0].source
    with pytest.raises(ElrError, match=f"generator {GENERATOR_VERSION + 1}, but .* generator {GENERATOR_VERSION}:"):
        drawn(source, version=GENERATOR_VERSION + 1)


@pytest.mark.parametrize("name", SPECS)
def test_train_and_test_share_no_group_and_no_clip(name):
    index = listed(name)
    train, test = index.split("1", "train"), index.split("1", "test")
    assert not {clip.group for clip in train} & {clip.group for clip in test}
    assert len({clip.group for clip in train}) == PEOPLE[name]
    assert len({clip.source.key for clip in index.clips}) == len(index.clips)


def test_no_subject_of_a_test_pair_trains():
    index = listed("tiny-puppets")
    people = [
        {json.loads(clip.source.key)["subject"] + place for clip in index.split("1", part) for place in (0, 1)}
        for part in ("train", "test")
    ]
    assert not people[0] & people[1]


def test_standard_sizes_and_balance():
    index = listed("puppets")
    assert [len(index.split("1", part)) for part in ("train", "test")] == [600, 2000]
    train = Counter(clip.target for clip in index.split("1", "train"))
    test = Counter(clip.target for clip in index.split("1", "test"))
    assert set(train.values()) == {50}
    assert set(test.values()) == {166, 167}
    assert SPECS["puppets"].classes == SINGLE
    per_subject = Counter(clip.group for clip in index.split("1", "train"))
    assert set(per_subject.values()) <= {12, 24}


@pytest.mark.parametrize("name", SPECS)
def test_sizes_are_adjustable_and_do_not_change_clips(name):
    small, large = listed(name, train=24, test=12), listed(name, train=36, test=36)
    assert len(small.clips) == 36
    assert all(large.by_id[clip.id] == clip for clip in small.clips)
    assert small.digest() != large.digest()
    other = listed(name, train=24, test=12, draw_seed=1)
    one, two = drawn(other.clips[0].source), drawn(small.clips[0].source)
    assert one.shape != two.shape or (one != two).any()


def test_frame_size_and_number_follow_the_options():
    index = listed("puppets", train=12, test=1, rows=64, columns=86, frames=9)
    lengths = set()
    for clip in index.clips[:12]:
        picture = drawn(clip.source)
        assert picture.shape[1:] == (64, 86, 3)
        lengths.add(len(picture))
    assert min(lengths) >= 5 and max(lengths) <= 13 and len(lengths) > 2


@pytest.mark.parametrize(("plain", "with_object"), [("wave", "wave-flag"), ("punch", "throw"), ("walk", "carry")])
def test_pair_differs_by_its_small_object_alone(plain, with_object):
    index = listed("puppets", train=12 * 6, test=1)
    target = SINGLE.index(with_object)
    widest, visible = 0.0, []
    for clip in index.split("1", "train"):
        if clip.target != target:
            continue
        full, bare = drawn(clip.source), drawn(clip.source, props=False)
        assert (bare == drawn(clip.source, action=plain)).all()
        rows, columns = full.shape[1:3]
        change = np.abs(full.astype(int) - bare).max(-1)
        strength = change.max((1, 2), keepdims=True)
        change = change > np.maximum(strength / 2, 8)  # pixels that it covers by half or more
        for frame in change:
            sides = [int(np.ptp(np.flatnonzero(frame.any(axis)))) + 1 if frame.any() else 0 for axis in (1, 0)]
            widest = max(widest, max(sides) * 96 / rows)
            visible.append(max(sides) * 96 / rows >= 3)
        cells = (np.abs(areas(full, 12, 16) - areas(bare, 12, 16)).max(-1) > 1).sum((1, 2))
        assert cells.max() <= 4  # an object of one cell's size may lie across a corner
    assert widest <= 8  # 96 / 12: one pixel of 12 x 16
    assert np.mean(visible) > 0.8  # 3 px of 96 x 128 or more, so four frames of a clip nearly always show it


def test_hands_at_the_head_are_apart_in_high_and_together_in_low():
    body = Body()
    tempo = Tempo(phase=0.0, cycles=2.0, begin=-0.5, length=0.3)
    hands = {name: joints(body, tracks(ACTIONS[name], tempo, 12))["hand_r"] for name in ("phone", "drink", "scratch")}
    stature = (0.68 * 96, 0.77 * 96)  # pixels of 96 x 128, as `single.render` draws them
    for one, two in (("phone", "drink"), ("phone", "scratch"), ("drink", "scratch")):
        apart = np.sqrt(((hands[one] - hands[two]) ** 2).sum(1))
        assert apart.min() * stature[0] >= 3
        assert apart.max() * stature[1] <= 8


def test_object_colour_says_nothing_of_the_class():
    """A clip number fixes colours, people, camera and scene, whatever the action drawn."""
    sources = [clip.source for clip in listed("puppets", train=5, test=1).clips[:5]]
    for source in sources:
        colours, corners = [], []
        for action in ("phone", "drink", "throw", "carry"):  # a flag has a dark stick besides
            full, bare = drawn(source, action=action), drawn(source, action=action, props=False)
            change = np.abs(full.astype(int) - bare).max(-1)
            colour = np.median(full[change > 0.8 * change.max()], 0)
            colours.append(colour / colour.max())  # light and rims differ over the picture, hues do not
            corners.append(full[0, :12, :12])
        assert np.ptp(colours, 0).max() < 0.2
        assert all((corner == corners[0]).all() for corner in corners)


def test_actions_move_as_named():
    tempo = Tempo(phase=0.0, cycles=2.0, begin=0.0, length=0.5)
    body = Body()
    at = {name: joints(body, tracks(ACTIONS[name], tempo, 49)) for name in SINGLE}
    assert (at["wave"]["hand_r"][:, 1] > at["wave"]["head"][:, 1]).all()
    assert at["sit"]["pelvis"][-1, 1] < 0.6 * at["sit"]["pelvis"][0, 1]
    assert at["walk"]["pelvis"][-1, 2] - at["walk"]["pelvis"][0, 2] == pytest.approx(0.6)  # two cycles of 0.3
    assert np.minimum(at["jump"]["toe_r"], at["jump"]["toe_l"])[:, 1].max() > 0.05
    assert at["kick"]["ankle_r"][:, 2].max() > 0.35
    assert at["punch"]["hand_r"][:, 2].max() > 0.3
    for name in ("phone", "drink", "scratch"):
        near = np.sqrt(((at[name]["hand_r"] - at[name]["head"])[25:] ** 2).sum(1))
        assert (near < 2 * body.head).all()


def test_two_bone_limb_by_hand():
    root, target = np.zeros((1, 3)), np.array([[0.0, 0.0, 0.8]])
    middle, end = bend(root, target, 0.5, 0.5, np.array([[0.0, 1.0, 0.3]]))
    assert end[0] == pytest.approx([0, 0, 0.8])
    assert middle[0] == pytest.approx([0, 0.3, 0.4])  # 3-4-5, bent upward
    _, far = bend(root, 10 * target, 0.5, 0.5, np.array([[0.0, 1.0, 0.0]]))
    assert far[0, 2] == pytest.approx(0.999)


def test_shapes_cover_their_areas():
    canvas = np.zeros((2, 40, 50, 3), np.float32)
    point = np.array([[20.0, 15.0], [48.0, 38.0]], np.float32)
    paint(canvas, Capsule(a=point, b=point, ra=6, rb=6, colour=(1, 0.5, 0), rim=1))
    assert canvas[0, ..., 0].sum() == pytest.approx(np.pi * 36, rel=0.01)
    assert canvas[0, ..., 1].sum() == pytest.approx(np.pi * 18, rel=0.01)
    assert canvas[0, 15, 20, 0] == 1 and canvas[0, 15, 27, 0] == 0
    assert 0 < canvas[1, ..., 0].sum() < np.pi * 36 / 2  # cut by the corner
    canvas[:] = 0
    axis = np.array([[0.6, 0.8]] * 2, np.float32)
    paint(canvas, Plate(centre=point, axis=axis, half=(8, 4), colour=(1, 1, 1), rim=1, shown=np.array([True, False])))
    assert canvas[0, ..., 0].sum() == pytest.approx(16 * 8, rel=0.02)
    assert canvas[1].sum() == 0
    before = canvas.copy()
    paint(canvas, Capsule(a=point + 500, b=point + 500, ra=6, rb=6, colour=(1, 1, 1)))
    assert (canvas == before).all()


def test_tiny_is_multi_label_with_every_class_present():
    spec = SPECS["tiny-puppets"]
    assert (spec.task, spec.metric, spec.degradation, spec.natively_low) == ("multi-label", "f1_macro", "native", True)
    index = listed("tiny-puppets")
    for part, size in (("train", 1200), ("test", 1000)):
        clips = index.split("1", part)
        assert len(clips) == size
        assert all(clip.target and tuple(sorted(set(clip.target))) == clip.target for clip in clips)
        counts = Counter(label for clip in clips for label in clip.target)
        assert set(counts) == set(range(12)) and min(counts.values()) >= 0.03 * size
        several = np.mean([len(clip.target) > 1 for clip in clips])
        assert 0.4 < several < 0.8


def test_tiny_sizes_spread_from_10_to_128():
    keys = [json.loads(clip.source.key) for clip in listed("tiny-puppets").clips]
    rows = np.array([key["rows"] for key in keys])
    columns = np.array([key["columns"] for key in keys])
    assert min(rows.min(), columns.min()) == 10 and max(rows.max(), columns.max()) == 128
    assert 45 <= np.median(rows) <= 60
    assert (np.abs(np.log(columns / rows)) < 0.3).all()
    shapes = [drawn(clip.source, frames=2).shape for clip in listed("tiny-puppets", train=8, test=1).clips[:8]]
    assert [shape[1:3] for shape in shapes] == [(key["rows"], key["columns"]) for key in keys[:8]]
    assert all(shape[0] >= 1 for shape in shapes)


def test_tiny_size_range_is_adjustable_and_checked():
    rows = [json.loads(clip.source.key)["rows"] for clip in listed("tiny-puppets", smallest=20, largest=24).clips]
    assert (min(rows), max(rows)) == (20, 24)
    with pytest.raises(ElrError, match="dataset.smallest=30 exceeds dataset.largest=24"):
        listed("tiny-puppets", smallest=30, largest=24)


def test_tiny_labels_are_drawn():
    """A labelled vehicle or object changes the picture: it is there."""
    index = listed("tiny-puppets", train=60, test=1, smallest=96, largest=128)
    driving = next(clip for clip in index.clips if "vehicle" in json.loads(clip.source.key)["vehicle"])
    alone = drawn(driving.source, frames=6), drawn(driving.source, frames=6, vehicle="")
    assert np.abs(alone[0].astype(int) - alone[1]).max() > 50
    moving, stopped = (
        drawn(driving.source, people=[], frames=24, vehicle=f"vehicle-{how}") for how in ("moving", "stopping")
    )
    last = [np.abs(clip[-1].astype(int) - clip[-4]).mean() for clip in (moving, stopped)]
    assert last[0] > 1.5 * last[1]


def test_plugin_is_listed_without_numpy():
    code = "import sys, elrbench_plugins.puppets as p; p.elr_datasets(); print('numpy' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_cameras_stand_around_one_performance():
    """The first camera's picture is that of a clip of one camera; the others differ in view and surroundings."""
    one = drawn(listed("puppets", draw_seed=0).clips[5].source)
    source = listed("puppets", draw_seed=0, cameras=3).clips[5].source
    three = drawn(source)
    assert three.shape == (*one.shape[:2], 3 * one.shape[2], 3) and (three[:, :, : one.shape[2]] == one).all()
    parts = np.split(three, 3, axis=2)
    assert all(np.abs(a.astype(int) - b).mean() > 5 for a, b in ((parts[0], parts[1]), (parts[1], parts[2])))
    moving = [np.abs(np.diff(areas(part, 12, 16), axis=0)).mean() for part in parts]
    assert min(moving) > 0.2 * max(moving)  # all see the movement


def test_one_camera_is_what_it_was():
    plain, named = listed("puppets"), listed("puppets", cameras=1)
    assert plain.digest() == named.digest() != listed("puppets", cameras=2).digest()
    assert "cameras" not in plain.clips[0].source.key
