"""I3D: public names, exact sizes, "SAME" padding, the published weighting in time, and forward values."""

import functools
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.i3d import elr_backbones
from elrbench_plugins.i3d.i3d import I3d, MaxPool, StridedConv, i3d, same_padding

(SPEC,) = elr_backbones()
State = dict[str, Tensor]

# piergiaj/pytorch-i3d: pytorch_i3d.py.
MIXED = ("3b", "3c", "4b", "4c", "4d", "4e", "4f", "5b", "5c")
BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")
UNITS = ("Conv3d_1a_7x7", "Conv3d_2b_1x1", "Conv3d_2c_3x3", *(f"Mixed_{m}.{b}" for m in MIXED for b in BRANCHES))
IN_UNIT = ("conv3d.weight", *(f"bn.{n}" for n in ("weight", "bias", "running_mean", "running_var")))
NAMES = {f"{unit}.{name}" for unit in UNITS for name in (*IN_UNIT, "bn.num_batches_tracked")} | {
    "logits.conv3d.weight",
    "logits.conv3d.bias",
}
SHAPES = {
    "Conv3d_1a_7x7.conv3d.weight": (64, 3, 7, 7, 7),
    "Conv3d_2b_1x1.conv3d.weight": (64, 64, 1, 1, 1),
    "Conv3d_2c_3x3.conv3d.weight": (192, 64, 3, 3, 3),
    "Mixed_3b.b1b.conv3d.weight": (128, 96, 3, 3, 3),
    "Mixed_3c.b2b.bn.running_var": (96,),
    "Mixed_4b.b0.conv3d.weight": (192, 480, 1, 1, 1),
    "Mixed_4e.b2a.conv3d.weight": (32, 512, 1, 1, 1),
    "Mixed_4f.b1b.conv3d.weight": (320, 160, 3, 3, 3),
    "Mixed_5b.b3b.conv3d.weight": (128, 832, 1, 1, 1),
    "Mixed_5c.b0.conv3d.weight": (384, 832, 1, 1, 1),
    "Mixed_5c.b2b.conv3d.weight": (128, 48, 3, 3, 3),
    "logits.conv3d.weight": (400, 1024, 1, 1, 1),
    "logits.conv3d.bias": (400,),
}


@functools.cache
def built() -> I3d:
    """One for the tests that only look, with statistics as training leaves them, in float64."""
    torch.manual_seed(0)
    network = i3d(7, {"dropout": 0.5})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    nn.init.uniform_(network.logits.conv3d.bias, -1, 1)
    return network.double().eval()


def test_names_and_shapes_are_the_public_ones():
    with torch.device("meta"):
        state: State = i3d(400).state_dict()
    assert set(state) == NAMES
    assert {key: tuple(state[key].shape) for key in SHAPES} == SHAPES


@pytest.mark.parametrize(
    ("classes", "parameters"), [(400, 12_697_264), (157, 12_448_189), (101, 12_390_789), (26, 12_313_914)]
)
def test_parameter_counts(classes, parameters):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in i3d(classes).parameters()) == parameters


def test_normalisation_is_that_of_the_checkpoints_training():
    norms = [part for part in built().modules() if isinstance(part, nn.BatchNorm3d)]
    assert len(norms) == len(UNITS) and {(part.eps, part.momentum) for part in norms} == {(1e-3, 0.01)}
    with torch.device("meta"):
        other = SPEC.build(5, {"norm_momentum": 0.2, "dropout": 0.1})
    assert {part.momentum for part in other.modules() if isinstance(part, nn.BatchNorm3d)} == {0.2}
    assert other.get_classifier()[0].p == 0.1 and SPEC.options["dropout"].default == 0.5


# -- "SAME"


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "sides"),
    [
        (224, 7, 2, (2, 3)),  # 112 windows span 229
        (113, 7, 2, (3, 3)),  # 57 windows span 119
        (56, 3, 2, (0, 1)),
        (57, 3, 2, (1, 1)),
        (8, 2, 2, (0, 0)),
        (7, 2, 2, (0, 1)),
        (1, 2, 2, (0, 1)),
        (1, 7, 2, (3, 3)),
        (5, 3, 1, (1, 1)),
        (5, 1, 2, (0, 0)),
    ],
)
def test_padding_by_hand(length, kernel, stride, sides):
    assert same_padding(length, kernel, stride) == sides


def tensorflow(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """Windows and elements before the first, by the rule of tf.nn's documentation."""
    total = kernel - stride if length % stride == 0 else kernel - length % stride
    return (length + stride - 1) // stride, max(total, 0) // 2


SIZES = [(1, 1, 1), (3, 4, 5), (2, 7, 6), (9, 5, 8)]


def windows(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]):
    """Each output's place, and the elements (by place in the window) that it sees of x (T, h, w)."""
    rules = [tensorflow(*axis) for axis in zip(x.shape, kernel, stride, strict=True)]
    for place in itertools.product(*(range(count) for count, _ in rules)):
        seen = {}
        for inside in itertools.product(*map(range, kernel)):
            at = tuple(p * s + i - rule[1] for p, s, i, rule in zip(place, stride, inside, rules, strict=True))
            if all(0 <= a < n for a, n in zip(at, x.shape, strict=True)):
                seen[inside] = x[at].item()
        yield place, seen


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kernel", [3, 7])
def test_a_strided_convolution_window_by_window(size, kernel):
    torch.manual_seed(1)
    layer = StridedConv(1, 1, kernel, 2, bias=False).double()
    x = torch.randn(size, dtype=torch.float64)
    with torch.no_grad():
        made = layer(x[None, None])[0, 0]
    places = list(windows(x, (kernel,) * 3, (2, 2, 2)))
    assert made.numel() == len(places)
    for place, seen in places:
        expected = sum(layer.weight[0, 0][inside].item() * value for inside, value in seen.items())
        assert made[place].item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("kernel", "stride"), [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_a_maximum_window_by_window_ignores_the_padding(size, kernel, stride):
    x = -1 - torch.rand(size, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    made = MaxPool(kernel, stride)(x[None, None])[0, 0]
    places = list(windows(x, kernel, stride))
    assert made.numel() == len(places)
    assert all(made[place].item() == max(seen.values()) for place, seen in places)


# -- forward values


def reference_pad(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Zeros around x: what comes out of a ReLU is no smaller."""
    for axis, (k, s) in enumerate(zip(kernel, stride, strict=True), 2):
        count, before = tensorflow(x.shape[axis], k, s)
        behind = max((count - 1) * s + k - x.shape[axis] - before, 0)
        shape = list(x.shape)
        sides = [x.new_zeros([*shape[:axis], n, *shape[axis + 1 :]]) for n in (before, behind)]
        x = torch.cat([sides[0], x, sides[1]], axis)
    return x


def reference_unit(state: State, name: str, x: Tensor, kernel: int, stride: int = 1) -> Tensor:
    x = F.conv3d(reference_pad(x, (kernel,) * 3, (stride,) * 3), state[f"{name}.conv3d.weight"], stride=stride)
    shape = (1, -1, 1, 1, 1)
    weight, bias, mean, var = (state[f"{name}.{part}"].reshape(shape) for part in IN_UNIT[1:])
    return ((x - mean) / (var + 1e-3).sqrt() * weight + bias).clamp(min=0)


def reference_max(x: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    return F.max_pool3d(reference_pad(x, kernel, stride), kernel, stride)


def reference_features(state: State, x: Tensor, first_pool: bool = True) -> Tensor:
    """Mixed_5c's map, put together from the published table."""

    def mixed(name: str, x: Tensor) -> Tensor:
        tops = [
            reference_unit(state, f"{name}.b0", x, 1),
            reference_unit(state, f"{name}.b1b", reference_unit(state, f"{name}.b1a", x, 1), 3),
            reference_unit(state, f"{name}.b2b", reference_unit(state, f"{name}.b2a", x, 1), 3),
            reference_unit(state, f"{name}.b3b", reference_max(x, (3, 3, 3), (1, 1, 1)), 1),
        ]
        return torch.cat(tops, 1)

    x = reference_unit(state, "Conv3d_1a_7x7", x, 7, 2)
    if first_pool:
        x = reference_max(x, (1, 3, 3), (1, 2, 2))
    x = reference_unit(state, "Conv3d_2c_3x3", reference_unit(state, "Conv3d_2b_1x1", x, 1), 3)
    x = reference_max(x, (1, 3, 3), (1, 2, 2))
    for name in MIXED:
        if name == "4b":
            x = reference_max(x, (3, 3, 3), (2, 2, 2))
        if name == "5b":
            x = reference_max(x, (2, 2, 2), (2, 2, 2))
        x = mixed(f"Mixed_{name}", x)
    return x


@pytest.mark.parametrize("view", [(9, 33, 47), (16, 32, 32), (24, 21, 40)], ids=str)
def test_forward_values_are_those_of_the_published_graph(view):
    network, state = built(), built().state_dict()
    x = torch.randn(2, 3, *view, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        last = reference_features(state, x)
        assert last.std() > 0.1
        torch.testing.assert_close(network.forward_features(x)[-1], last)
        steps = F.avg_pool3d(last, (2, *last.shape[3:]), 1)  # all of space where the published graph has its 7x7
        steps = F.conv3d(steps, state["logits.conv3d.weight"], state["logits.conv3d.bias"])
        torch.testing.assert_close(network(x), steps.mean((2, 3, 4)))


def test_without_the_first_maximum():
    torch.manual_seed(0)
    network = i3d(3, {"first_pool": False}).double().eval()
    x = torch.randn(1, 3, 8, 22, 30, dtype=torch.float64)
    with torch.no_grad():
        last = network.forward_features(x)[-1]
        assert last.shape == (1, 1024, 1, 2, 2)
        torch.testing.assert_close(last, reference_features(network.state_dict(), x, first_pool=False))
    with torch.device("meta"):  # TinyVIRAT's: as many places from 112 as the published network has from 224
        assert i3d(3, {"first_pool": False}).forward_features(torch.empty(1, 3, 16, 112, 112))[-1].shape[2:] == (
            2,
            7,
            7,
        )


@pytest.mark.parametrize(
    ("view", "maps"),
    [
        ((64, 224, 224), [(192, 32, 56, 56), (480, 32, 28, 28), (832, 16, 14, 14), (1024, 8, 7, 7)]),
        ((16, 112, 112), [(192, 8, 28, 28), (480, 8, 14, 14), (832, 4, 7, 7), (1024, 2, 4, 4)]),
        ((15, 113, 99), [(192, 8, 29, 25), (480, 8, 15, 13), (832, 4, 8, 7), (1024, 2, 4, 4)]),
    ],
)
def test_stage_maps(view, maps):
    """64x224x224 ends in 8x7x7x1024, as published."""
    with torch.device("meta"):
        made = i3d(5).forward_features(torch.empty(1, 3, *view))
    assert [tuple(stage.shape) for stage in made] == [(1, *shape) for shape in maps]
    assert len(maps) == len(SPEC.stages)


# -- time


def test_pooling_is_the_published_pooling_at_its_size():
    """AvgPool [2, 7, 7], logits per step, mean over steps."""
    network = built()
    last = torch.rand(2, 1024, 8, 7, 7, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    logits = network.logits.conv3d
    with torch.no_grad():
        published = logits(nn.AvgPool3d([2, 7, 7], stride=(1, 1, 1))(last)).squeeze(3).squeeze(3)  # (2, C, 7)
        torch.testing.assert_close(network.get_classifier()(network.pool(last)), published.mean(2))


@pytest.mark.parametrize(
    ("steps", "weights"),
    [(1, [1]), (2, [1 / 2, 1 / 2]), (3, [1 / 4, 1 / 2, 1 / 4]), (8, [1 / 14, *[1 / 7] * 6, 1 / 14])],
)
def test_the_ends_have_half_the_weight_of_other_steps(steps, weights):
    last = torch.zeros(steps, 1024, steps, 4, 5, dtype=torch.float64)
    for step in range(steps):
        last[step, :, step] = 1.0  # clip i shows step i alone
    torch.testing.assert_close(built().pool(last)[:, 0], torch.tensor(weights, dtype=torch.float64))


def test_dropout_is_before_the_classifier_alone():
    torch.manual_seed(5)
    classifier = i3d(4, {"dropout": 0.75}).get_classifier().train()
    seen = {}
    classifier[1].register_forward_pre_hook(lambda module, inputs: seen.update(features=inputs[0]))
    classifier(torch.ones(50, 2, 1024))
    assert seen["features"].unique().tolist() == [0.0, 4.0]
    assert seen["features"].mean().item() == pytest.approx(1, abs=0.02)
    assert sum(isinstance(part, nn.Dropout) for part in built().modules()) == 1
