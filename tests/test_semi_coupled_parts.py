"""semi-coupled: cubic resizing, flow colours, inputs, networks and copies, each against a case worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmark_core.clips.frames import Frames
from elrbench_plugins.semi_coupled import degrade, inputs
from elrbench_plugins.semi_coupled.colour_wheel import HUES, colour_wheel, flow_colours
from elrbench_plugins.semi_coupled.coupling import LAYERS, copy_filters, shared
from elrbench_plugins.semi_coupled.enlarge import cubic as enlarge
from elrbench_plugins.semi_coupled.imresize import cubic, cubic_matrix
from elrbench_plugins.semi_coupled.inputs import Inputs, real_frames
from elrbench_plugins.semi_coupled.network import TwoStream, average, two_stream

ALL = {"conv1": 0.0, "conv2": 0.25, "conv3": 0.5, "fuse": 0.75, "fc1": 0.75, "fc2": 1.0}

# -- resizing


def test_the_kernel_by_hand() -> None:
    """a = -0.5: 1.5 x³ - 2.5 x² + 1 up to 1, then -0.5 x³ + 2.5 x² - 4 x + 2 up to 2."""
    assert cubic(np.array([0, 0.5, 1, 1.5, 2, 3])).tolist() == [1, 0.5625, 0, -0.0625, 0, 0]


def test_enlarging_by_two_by_hand() -> None:
    """Output 4 of 8 lies 0.25 before pixel 2 of 4; output 0 lies 0.25 before pixel 0, and the border is mirrored."""
    matrix = cubic_matrix(4, 8)
    assert matrix[4].tolist() == pytest.approx([-0.0234375, 0.2265625, 0.8671875, -0.0703125])
    assert matrix[0].tolist() == pytest.approx([0.8671875 + 0.2265625, -0.0234375 - 0.0703125, 0, 0])


@pytest.mark.parametrize(("source", "size"), [(48, 12), (50, 12), (37, 16), (12, 32)])
def test_inner_pixels_are_those_of_an_antialiased_kernel(source: int, size: int) -> None:
    """torch's antialiased kernel has the same a; it drops what is outside instead of mirroring it."""
    line = torch.rand(1, 1, 1, source, dtype=torch.float64)
    ours = line @ torch.tensor(cubic_matrix(source, size)).T
    theirs = interpolate(line, (1, size), mode="bicubic", antialias=True, align_corners=False)
    inner = slice(5, -5) if size > source else slice(2, -2)
    torch.testing.assert_close(ours[..., inner], theirs[..., inner], atol=1e-6, rtol=0)
    np.testing.assert_allclose(cubic_matrix(source, size).sum(1), 1)


def test_a_part_of_an_axis_is_resized_as_if_it_went_on() -> None:
    """Unlike at an edge, pixels outside the region contribute."""
    whole, part = cubic_matrix(24, 12), cubic_matrix(24, 6, 6.0, 18.0)
    np.testing.assert_allclose(part, whole[3:9])


def test_a_low_view_is_grey_in_whole_levels() -> None:
    rng = np.random.default_rng(0)
    red, green, blue = rng.integers(0, 256, (3, 2, 24, 32), dtype=np.uint8)
    low = degrade.degrade(Frames(planes=(red, green, blue), colour="rgb"), (12, 16), {}, 0)
    assert low.shape == (2, 3, 12, 16) and low.dtype == np.uint8 and (low == low[:, :1]).all()
    high = torch.from_numpy(np.stack([red, green, blue], 1)).float() / 255
    assert torch.equal((degrade.from_high(high, (12, 16), {}) * 255).round().to(torch.uint8), torch.from_numpy(low))


@pytest.mark.parametrize(("colour", "level", "expected"), [("yuv-limited", 16, 0), ("yuv709-limited", 235, 255),
                                                         ("yuv-limited", 126, 128), ("yuv-full", 126, 126),
                                                         ("grey", 7, 7)])  # fmt: skip
def test_luma_is_stretched_to_all_levels(colour: Any, level: int, expected: int) -> None:
    plane = np.full((1, 24, 32), level, np.uint8)
    planes = (plane,) if colour == "grey" else (plane, plane[:, ::2, ::2], plane[:, ::2, ::2])
    assert (degrade.degrade(Frames(planes=planes, colour=colour), (12, 16), {}, 0) == expected).all()


def test_the_enhancer_gives_whole_levels_and_keeps_a_view_of_its_size() -> None:
    module = enlarge((12, 16), (32, 32))
    low = torch.rand(2, 3, 12, 16)
    seen = module(low)
    assert seen.shape == (2, 3, 32, 32) and torch.equal((seen * 255).round() / 255, seen)
    view = torch.rand(1, 3, 32, 32)
    assert module(view) is view and not list(module.parameters())
    constant = module(torch.full((1, 1, 12, 16), 100 / 255))
    torch.testing.assert_close(constant, torch.full((1, 1, 32, 32), 100 / 255))


# -- flow colours


def colour(right: float, down: float, fastest: float) -> list[int]:
    """The colour of a pixel in a field whose fastest pixel moves by `fastest`."""
    field = torch.zeros(1, 2, 1, 2)
    field[0, :, 0, 0] = torch.tensor([right, down])
    field[0, 0, 0, 1] = fastest
    return flow_colours(field, colour_wheel())[0, :, 0, 0].int().tolist()


def test_colours_by_hand() -> None:
    """Left is half way round the wheel: hue 27 of 0 to 54, the third of eleven steps from cyan to blue."""
    assert colour(2, 0, 2) == [255, 0, 0] and colour(1, 0, 2) == [255, 127, 127] and colour(0, 0, 2) == [255] * 3
    assert colour(-2, 0, 2) == [0, 208, 255]  # 255 (1 - 2/11)
    assert colour(0, 2, 2) == colour(0, 4, 4) == [255, 229, 0]  # hue 13.5 of the 15 from red to yellow: 255 * 0.9
    wheel = colour_wheel()
    assert wheel.shape == (HUES, 3) == (55, 3) and wheel[15].tolist() == [1, 1, 0] and wheel[25].tolist() == [0, 1, 1]


def test_a_field_without_motion_is_white() -> None:
    assert (flow_colours(torch.zeros(2, 2, 3, 4), colour_wheel()) == 255).all()


# -- inputs


def test_repeated_frames_at_the_end_are_not_real() -> None:
    clips = torch.zeros(4, 5, 2, 2)
    clips[0] += torch.arange(5.0).reshape(5, 1, 1)
    clips[1, 2:] = 1
    clips[2, 1] = 1  # 0 1 0 0 0
    assert real_frames(clips).tolist() == [5, 3, 3, 1]


def test_the_mean_is_over_real_frames_in_grey_levels() -> None:
    clip = torch.zeros(1, 3, 4, 12, 12)
    clip[:, 0, 1] = 1.0  # red: 0.299 of 255
    clip[:, :, 2:] = 0.2  # 51, repeated
    found = Inputs().measured(clip, flow=False)
    grey = torch.tensor([0.0, 76.245, 51.0, 51.0])
    torch.testing.assert_close(found[0, 0, :, 0, 0], grey - (76.245 + 51) / 3)
    assert not found[:, 1:].any()


@pytest.mark.parametrize("clips", [2, 4])  # with fewer than 22 fields, each is coloured once
def test_a_stack_has_eleven_frames_and_no_mean(monkeypatch: pytest.MonkeyPatch, clips: int) -> None:
    """Frame t's colours are the number t here: 7 frames, of which 6 are real."""
    measured = torch.zeros(clips, 3, 7, 2, 2)
    measured[1, 0] = torch.tensor([0.0, 1, 2, 3, 4, 5, 5]).reshape(7, 1, 1)
    measured[1, 1] = torch.arange(7.0).reshape(7, 1, 1)
    monkeypatch.setattr(inputs, "flow_colours", lambda flow, _: flow[:, :1].expand(-1, 3, -1, -1))
    grey, stack = Inputs().stacks(measured, torch.tensor([1, 1]), torch.tensor([1, 4]))
    assert grey.shape == (2, 1, 2, 2) and grey[:, 0, 0, 0].tolist() == [1, 4]
    assert stack.shape == (2, 33, 2, 2)
    first = torch.tensor([0.0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 5])  # -4 to 6
    second = torch.tensor([0.0, 0, 1, 2, 3, 4, 5, 5, 5, 5, 5])  # -1 to 9
    for seen, numbers in zip(stack[:, :, 0, 0], (first, second), strict=True):
        torch.testing.assert_close(seen, (numbers - numbers.mean()).repeat_interleave(3))


def test_flow_is_of_neighbouring_frames() -> None:
    rng = torch.Generator().manual_seed(0)
    wide = interpolate(torch.rand(1, 1, 8, 12, generator=rng), (32, 44), mode="bicubic").clamp(0, 1)
    clip = torch.stack([wide[..., 8 - 2 * t : 40 - 2 * t] for t in range(4)], 2).expand(1, 3, 4, 32, 32)
    found = Inputs().measured(clip, flow=True)
    right = found[0, 1, :, 8:24, 8:24].mean((1, 2))  # two pixels to the right per frame
    assert right.tolist() == pytest.approx([2.0] * 4, abs=0.4)
    assert found[0, 2, :, 8:24, 8:24].abs().mean() < 0.4 and torch.equal(found[0, 1:, 3], found[0, 1:, 2])


# -- networks

CONV = {  # kernel * inputs * filters + biases, and two numbers per filter of BN
    "spatial": 25 * 1 * 32 + 32 + 64, "temporal": 25 * 33 * 32 + 32 + 64,
    "conv2": 25 * 32 * 64 + 64 + 128, "conv3": 25 * 64 * 128 + 128 + 256, "conv3-64": 25 * 64 * 64 + 64 + 128,
}  # fmt: skip
BOTH = CONV["spatial"] + CONV["temporal"] + 2 * (CONV["conv2"] + CONV["conv3"])
LATE = CONV["spatial"] + CONV["temporal"] - 64 + 2 * CONV["conv2"] + CONV["conv3"] + CONV["conv3-64"]
ALONE = CONV["conv2"] + CONV["conv3"] + 16 * 128 * 256 + 256 + 257 * 12
FC1S = 16 * 128 * 128 + 128 + 16 * 64 * 128 + 128
NETWORKS: dict[tuple[str, str, str], tuple[int, int, int]] = {  # parameters, channels of the map, features
    ("both", "conv", "sum"): (BOTH + 16 * 128 * 128 + 128 + 129 * 12, 128, 128),
    ("both", "conv", "concat"): (BOTH + 16 * 256 * 128 + 128 + 129 * 12, 256, 128),
    ("both", "conv", "conv"): (BOTH + 256 * 128 + 128 + 16 * 128 * 128 + 128 + 129 * 12, 128, 128),
    ("both", "fc1", "sum"): (LATE + FC1S + 129 * 12, 192, 128),
    ("both", "fc1", "concat"): (LATE + FC1S + 257 * 12, 192, 256),
    ("both", "fc1", "conv"): (LATE + FC1S + 256 * 128 + 128 + 129 * 12, 192, 128),
    ("spatial", "conv", "sum"): (CONV["spatial"] + ALONE, 128, 256),
    ("temporal", "conv", "sum"): (CONV["temporal"] + ALONE, 128, 256),
}  # fmt: skip


@pytest.mark.parametrize(("streams", "at", "fusion"), list(NETWORKS))
def test_parameters_and_shapes(streams: str, at: str, fusion: str) -> None:
    network = TwoStream(12, streams=streams, at=at, fusion=fusion).eval()
    parameters, channels, features = NETWORKS[streams, at, fusion]
    assert sum(each.numel() for each in network.parameters()) == parameters
    assert network.num_features == features
    with torch.no_grad():
        (maps,) = network.forward_features(torch.rand(2, 3, 6, 32, 32))
        assert maps.shape == (2, channels, 6, 4, 4)
        assert network.pool(maps).shape == (2, features)
        assert network(torch.rand(1, 3, 2, 40, 48)).shape == (1, 12)  # its last map is averaged to 4x4


def test_the_default_network_has_the_parameters_that_it_states() -> None:
    assert sum(each.numel() for each in two_stream(12).parameters()) == 804_364 == NETWORKS["both", "conv", "sum"][0]


def test_padding_does_not_count_in_an_average() -> None:
    assert torch.equal(average(torch.ones(1, 1, 4, 4)), torch.ones(1, 1, 2, 2))


@pytest.mark.parametrize("at", ["conv", "fc1"])
def test_a_clips_logits_are_the_mean_of_its_frames_logits_and_repeated_frames_do_not_count(at: str) -> None:
    network = TwoStream(5, at=at).eval()
    clip = torch.rand(1, 3, 5, 32, 32)
    longer = torch.cat([clip, clip[:, :, -1:].expand(-1, -1, 3, -1, -1)], 2)
    with torch.no_grad():
        measured = network.inputs.measured(clip, flow=True)
        maps = network.maps(*network.inputs.stacks(measured, torch.zeros(5, dtype=torch.long), torch.arange(5)))
        frames = network.fc2(network.features(maps))  # (5, 5)
        torch.testing.assert_close(network(clip)[0], frames.mean(0), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network(longer)[0], frames.mean(0), atol=1e-4, rtol=1e-4)
    (maps,) = network.forward_features(longer)
    assert not maps[:, :, 5:].any() and maps[:, :, :5].flatten(3).any(3).any(1).all()


@pytest.mark.parametrize("fusion", ["sum", "concat", "conv"])
@pytest.mark.parametrize("at", ["conv", "fc1"])
def test_gradients_reach_every_parameter(at: str, fusion: str) -> None:
    network = TwoStream(3, at=at, fusion=fusion).train()
    nn.functional.cross_entropy(network(torch.rand(2, 3, 4, 32, 32)), torch.tensor([0, 2])).backward()
    still = [name for name, each in network.named_parameters() if each.grad is None]
    assert not still
    assert all(
        float(each.grad.abs().sum()) > 0 for each in network.parameters() if each.grad is not None and each.ndim > 1
    )


# -- copies


@pytest.mark.parametrize(
    ("ratio", "filters", "count"), [(0.0, 32, 0), (0.25, 64, 16), (0.5, 5, 3), (0.75, 2, 2), (1, 12, 12)]
)
def test_halves_are_rounded_up(ratio: float, filters: int, count: int) -> None:
    assert shared(ratio, filters) == count


@pytest.mark.parametrize("at", ["conv", "fc1"])
def test_the_first_filters_and_biases_are_copied_and_nothing_else(at: str) -> None:
    source, target = (TwoStream(12, at=at, fusion="conv") for _ in range(2))
    for part in (source, target):
        for each in part.parameters():
            nn.init.normal_(each)
    before = {name: value.clone() for name, value in target.state_dict().items()}
    copy_filters(source, target, ALL)
    counts = {"conv1": 0, "conv2": 16, "conv3": 64, "fuse": 96, "fc1": 96, "fc2": 12}
    counted = {layer: counts[key] for key, layers in LAYERS.items() for layer in layers}
    if at == "fc1":
        counted["temporal.conv3"] = 32
    theirs = source.state_dict()
    copied: set[str] = set()
    for name, now in target.state_dict().items():
        layer, _, kind = name.rpartition(".")
        count = 0 if name == "fc2.bias" else counted.get(layer, 0)
        if count:
            copied.add(layer)
            assert torch.equal(now[:count], theirs[name][:count])
        assert torch.equal(now[count:] if now.ndim else now, before[name][count:] if now.ndim else before[name])
    assert copied == {"spatial.conv2", "temporal.conv2", "spatial.conv3", "temporal.conv3", "fuse", "fc2",
                      *(("fc1",) if at == "conv" else ("spatial_fc1", "temporal_fc1"))}  # fmt: skip


def test_ratios_of_one_copy_all_layers_and_of_zero_none() -> None:
    source, target = TwoStream(3), TwoStream(3)
    kept = {name: value.clone() for name, value in target.state_dict().items()}
    copy_filters(source, target, dict.fromkeys(LAYERS, 0.0))
    assert all(torch.equal(value, kept[name]) for name, value in target.state_dict().items())
    copy_filters(source, target, dict.fromkeys(LAYERS, 1.0))
    weights: list[Tensor] = [each for each in target.parameters() if each.ndim > 1]
    assert all(
        torch.equal(one, other)
        for one, other in zip(weights, [e for e in source.parameters() if e.ndim > 1], strict=True)
    )
