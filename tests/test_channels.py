"""First convolutions for other inputs than RGB images: two channels of flow, and video."""

import copy

import pytest
import torch
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.networks.channels import adapt_first_convolution, first_convolution, with_channels
from benchmark_core.specs import BackboneSpec, defaults, resolve

NAMES = (
    "resnet18", "resnet34", "efficientnet-lite0", "r2plus1d-18", "r2plus1d-34", "r2plus1d-18-tv", "i3d", "resnet3d-18",
    "resnet3d-50", "c3d", "efficientnet-lite2", "resnet18-tsm", "efficientnet-lite0-tsm", "native3d-s", "native-vit",
)  # fmt: skip


def build(spec: BackboneSpec, classes: int = 5) -> nn.Module:
    """Call `spec.build` with a fixed seed."""
    torch.manual_seed(0)
    return resolve(spec.factory)(classes, defaults(spec))


@pytest.mark.parametrize("name", NAMES)
def test_every_backbone_takes_flow(name: str, catalog: Catalog):
    spec = catalog.backbones[name]
    before = build(spec)
    after = with_channels(copy.deepcopy(before), 2).eval()
    changed = {key for key, value in after.state_dict().items() if value.shape != before.state_dict()[key].shape}
    assert len(changed) == 1
    old, new = (network.state_dict()[next(iter(changed))] for network in (before, after))
    assert new.shape == (old.shape[0], 2, *old.shape[2:])
    for channel in range(2):
        torch.testing.assert_close(new[:, channel], old.mean(1))
    same = [key for key in after.state_dict() if key not in changed]
    assert all(torch.equal(after.state_dict()[key], before.state_dict()[key]) for key in same)
    time = (2,) if spec.dims == 3 else ()
    with torch.no_grad():
        assert after(torch.rand(2, 2, *time, 32, 48)).shape == (2, 5)
        with pytest.raises(RuntimeError, match="channels"):
            after(torch.rand(2, 3, *time, 32, 48))


def test_the_convolution_stays_of_its_own_class(catalog: Catalog):
    stem = build(catalog.backbones["efficientnet-lite0"])._conv_stem
    network = with_channels(build(catalog.backbones["efficientnet-lite0"]), 2)
    assert type(network._conv_stem) is type(stem) and network._conv_stem.border == stem.border
    assert network._conv_stem.in_channels == 2


def test_grey_flow_gives_two_thirds_of_what_grey_colours_gave():
    colour = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False))
    grey = torch.rand(1, 1, 8, 8)
    expected = colour(grey.repeat(1, 3, 1, 1))
    torch.testing.assert_close(with_channels(colour, 2)(grey.repeat(1, 2, 1, 1)), expected * 2 / 3)


def test_a_bias_and_the_random_state_stay():
    conv = nn.Conv2d(3, 4, 3)
    bias, state = conv.bias.detach().clone(), torch.random.get_rng_state()
    assert with_channels(conv, 10) is conv
    assert torch.equal(conv.bias, bias) and torch.equal(torch.random.get_rng_state(), state)


def test_a_frozen_convolution_stays_frozen():
    conv = nn.Conv2d(3, 4, 3).requires_grad_(False)
    assert not with_channels(conv, 2).weight.requires_grad
    assert with_channels(nn.Conv2d(3, 4, 3), 2).weight.requires_grad


def test_three_channels_change_nothing():
    conv = nn.Conv2d(3, 4, 3)
    weight = conv.weight
    assert with_channels(conv, 3).weight is weight


def test_the_first_on_colour_is_found_in_order_of_registration():
    network = nn.Sequential(nn.Conv2d(8, 4, 1), nn.Conv3d(3, 4, 1), nn.Conv2d(3, 5, 1))
    name, conv = first_convolution(network)
    assert (name, conv) == ("1", network[1])
    assert first_convolution(network, 8) == ("0", network[0])
    assert first_convolution(network, 2) is None


def test_a_network_without_one_is_named():
    with pytest.raises(ElrError, match="Linear has no convolution on 3 channels"):
        with_channels(nn.Linear(3, 2), 2)


def test_images_become_clips_by_repeating_in_time():
    """A still clip gives the result of its image, except at its ends."""
    flat, deep = nn.Conv2d(3, 4, 3, bias=False), nn.Conv3d(3, 4, 3, bias=False)
    weight = adapt_first_convolution(flat.weight.detach(), deep.weight.shape)
    deep.load_state_dict({"weight": weight})
    image = torch.rand(1, 3, 6, 7)
    still = image.unsqueeze(2).repeat(1, 1, 3, 1, 1)
    torch.testing.assert_close(deep(still).squeeze(2), flat(image))


def test_images_of_colour_become_clips_of_flow():
    weight = torch.arange(12.0).reshape(2, 3, 1, 2)
    made = adapt_first_convolution(weight, (2, 2, 4, 1, 2))
    assert made.shape == (2, 2, 4, 1, 2)
    assert made[0, 1, 3, 0].tolist() == [2.0 / 4, 3.0 / 4]  # means of 0, 2, 4 and of 1, 3, 5, over four frames


@pytest.mark.parametrize(
    "shape", [(5, 3, 7, 7), (4, 3, 3, 3), (4, 3, 1, 3, 3), (4, 3), (4,)], ids=["filters", "size", "both", "flat", "one"]
)
def test_filters_of_another_size_or_number_are_not_adapted(shape: tuple[int, ...]):
    assert adapt_first_convolution(torch.rand(4, 3, 7, 7), shape) is None


def test_clips_do_not_become_images():
    assert adapt_first_convolution(torch.rand(4, 3, 3, 7, 7), (4, 3, 7, 7)) is None
    assert adapt_first_convolution(torch.rand(4, 3, 3, 7, 7), (4, 3, 5, 7, 7)) is None
