"""3D residual networks, plain and wide: public names, exact sizes, shortcuts, and forward values."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.resnet3d import elr_backbones
from elrbench_plugins.resnet3d.resnet3d import (
    ResNet3d,
    Subsample,
    resnet3d18,
    resnet3d34,
    resnet3d50,
    wide_resnet3d50,
)

SPECS = {spec.name: spec for spec in elr_backbones()}
State = dict[str, Tensor]
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
FOUR = {  # factory -> blocks of each stage, convolutions of a block, outputs of each stage
    resnet3d18: ((2, 2, 2, 2), 2, (64, 128, 256, 512)),
    resnet3d34: ((3, 4, 6, 3), 2, (64, 128, 256, 512)),
    resnet3d50: ((3, 4, 6, 3), 3, (256, 512, 1024, 2048)),
    wide_resnet3d50: ((3, 4, 6, 3), 3, (256, 512, 1024, 2048)),
}
every_network = pytest.mark.parametrize("factory", FOUR)


def whole(depths: tuple[int, ...], convolutions: int, outputs: tuple[int, ...], shortcut: str) -> set[str]:
    """Every name, as kenshohara/3D-ResNets-PyTorch has it: models/resnet.py, models/wide_resnet.py."""
    names = {"conv1.weight", *(f"bn1.{name}" for name in NORM), "fc.weight", "fc.bias"}
    before = 64
    for stage, (depth, width) in enumerate(zip(depths, outputs, strict=True), 1):
        for block in range(depth):
            at = f"layer{stage}.{block}"
            for number in range(1, convolutions + 1):
                names |= {f"{at}.conv{number}.weight", *(f"{at}.bn{number}.{name}" for name in NORM)}
        if shortcut == "B" and (stage > 1 or before != width):
            at = f"layer{stage}.0.downsample"
            names |= {f"{at}.0.weight", *(f"{at}.1.{name}" for name in NORM)}
        before = width
    return names


@every_network
@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_names_are_the_public_ones(factory, shortcut):
    with torch.device("meta"):
        state: State = factory(400, {"shortcut": shortcut}).state_dict()
    assert set(state) == whole(*FOUR[factory], shortcut)


@pytest.mark.parametrize(
    ("factory", "shapes"),
    [
        (
            resnet3d18,
            {
                "conv1.weight": (64, 3, 7, 7, 7),
                "layer1.0.conv1.weight": (64, 64, 3, 3, 3),
                "layer4.0.conv1.weight": (512, 256, 3, 3, 3),
                "layer2.0.downsample.0.weight": (128, 64, 1, 1, 1),
                "fc.weight": (400, 512),
            },
        ),
        (
            resnet3d50,
            {
                "layer1.0.conv1.weight": (64, 64, 1, 1, 1),
                "layer1.0.downsample.0.weight": (256, 64, 1, 1, 1),
                "layer3.5.conv3.weight": (1024, 256, 1, 1, 1),
                "layer4.2.conv2.weight": (512, 512, 3, 3, 3),
                "fc.weight": (400, 2048),
            },
        ),
        (
            wide_resnet3d50,
            {
                "conv1.weight": (64, 3, 7, 7, 7),
                "layer1.0.conv1.weight": (128, 64, 1, 1, 1),
                "layer1.0.conv3.weight": (256, 128, 1, 1, 1),
                "layer4.0.conv2.weight": (1024, 1024, 3, 3, 3),
                "layer4.0.downsample.0.weight": (2048, 1024, 1, 1, 1),
                "fc.weight": (400, 2048),
            },
        ),
    ],
)
def test_shapes_are_the_public_ones(factory, shapes):
    with torch.device("meta"):
        state: State = factory(400).state_dict()
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


@pytest.mark.parametrize(
    ("factory", "classes", "shortcut", "parameters"),
    [
        (resnet3d18, 400, "B", 33_409_104),
        (resnet3d34, 400, "B", 63_718_736),
        (resnet3d50, 400, "B", 47_018_576),
        (resnet3d50, 26, "B", 46_252_250),
        (wide_resnet3d50, 400, "B", 158_248_272),
        (wide_resnet3d50, 26, "B", 157_481_946),
        (resnet3d18, 400, "A", 33_235_280),  # less 64*128 + 128*256 + 256*512 and twice 128 + 256 + 512
        (resnet3d34, 400, "A", 63_544_912),
    ],
)
def test_parameter_counts(factory, classes, shortcut, parameters):
    with torch.device("meta"):
        network = factory(classes, {"shortcut": shortcut})
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


@every_network
@pytest.mark.parametrize(
    ("view", "frames", "sides"),
    [((16, 112, 112), (8, 4, 2, 1), (28, 14, 7, 4)), ((15, 50, 66), (8, 4, 2, 1), (13, 7, 4, 2))],
)
def test_stage_maps(factory, view, frames, sides):
    with torch.device("meta"):
        made = factory(5).forward_features(torch.empty(2, 3, *view))
    channels = FOUR[factory][2]
    assert [tuple(stage.shape[:4]) for stage in made] == list(zip((2,) * 4, channels, frames, sides, strict=True))


# -- forward values, put together from the published graph


def norm(state: State, name: str, x: Tensor) -> Tensor:
    weight, bias, mean, var = (state[f"{name}.{part}"].reshape(1, -1, 1, 1, 1) for part in NORM[:4])
    return (x - mean) / (var + 1e-5).sqrt() * weight + bias


def reference(state: State, x: Tensor, depths: tuple[int, ...], convolutions: int) -> Tensor:
    """Logits of the published graph; where a projection is missing, of shortcut type A."""
    x = F.conv3d(x, state["conv1.weight"], stride=(1, 2, 2), padding=3)
    x = F.max_pool3d(norm(state, "bn1", x).relu(), 3, 2, 1)
    for stage, depth in enumerate(depths, 1):
        for block in range(depth):
            at, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            inside = x
            for number in range(1, convolutions + 1):
                weight = state[f"{at}.conv{number}.weight"]
                strided = number == (2 if convolutions == 3 else 1)
                inside = F.conv3d(inside, weight, stride=stride if strided else 1, padding=weight.shape[-1] // 2)
                inside = norm(state, f"{at}.bn{number}", inside)
                inside = inside.relu() if number < convolutions else inside
            if f"{at}.downsample.0.weight" in state:
                x = F.conv3d(x, state[f"{at}.downsample.0.weight"], stride=stride)
                x = norm(state, f"{at}.downsample.1", x)
            else:
                x = F.avg_pool3d(x, 1, stride)
                x = torch.cat([x, x.new_zeros(x.shape[0], inside.shape[1] - x.shape[1], *x.shape[2:])], 1)
            x = (inside + x).relu()
    return F.linear(x.mean((2, 3, 4)), state["fc.weight"], state["fc.bias"])


def build(factory, shortcut: str = "B", classes: int = 7) -> ResNet3d:
    """With statistics as training leaves them, in float64."""
    torch.manual_seed(0)
    network: ResNet3d = factory(classes, {"shortcut": shortcut})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.3, 0.9)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.double().eval()


@pytest.mark.parametrize(
    ("factory", "shortcut"), [(resnet3d18, "A"), (resnet3d18, "B"), (resnet3d50, "A"), (resnet3d50, "B")]
)
def test_forward_values_are_those_of_the_published_graph(factory, shortcut):
    network = build(factory, shortcut)
    x = torch.randn(2, 3, 9, 33, 40, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        expected = reference(network.state_dict(), x, *FOUR[factory][:2])
        assert expected.std() > 0.1
        torch.testing.assert_close(network(x), expected)


@pytest.mark.slow
def test_forward_values_of_the_wide_network():
    network = build(wide_resnet3d50)
    x = torch.randn(1, 3, 5, 20, 20, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(network(x), reference(network.state_dict(), x, *FOUR[wide_resnet3d50][:2]))


def test_pooling_is_the_published_pooling_at_its_size():
    last = torch.rand(2, 512, 1, 4, 4, dtype=torch.float64)
    with torch.device("meta"):
        network = resnet3d18(3)
    torch.testing.assert_close(network.pool(last), nn.AvgPool3d((1, 4, 4), stride=1)(last).flatten(1))


def test_a_shortcut_without_parameters_takes_every_second_element_and_lets_gradients_through():
    x = torch.arange(12.0).reshape(1, 1, 1, 3, 4).requires_grad_()
    made = Subsample(3, 2)(x)
    assert made.shape == (1, 3, 1, 2, 2)
    assert made[0, 0, 0].tolist() == [[0, 2], [8, 10]] and not made[0, 1:].any()
    made.sum().backward()
    assert x.grad is not None and x.grad[0, 0, 0].tolist() == [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0]]


def test_initialisation_keeps_the_backward_variance():
    torch.manual_seed(0)
    weight = resnet3d18(5).layer3[1].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (256 * 27)) ** 0.5, rel=0.01)


def test_input_is_that_of_the_checkpoints():
    """Grey levels less ActivityNet's mean, not standardised."""
    for spec in SPECS.values():
        for mean, std, published in zip(spec.mean, spec.std, (114.7748, 107.7354, 99.4750), strict=True):
            assert (200 / 255 - mean) / std == pytest.approx(200 - published)
