"""C3D: public names, exact sizes, forward values, and what its fully connected layers read at other sizes."""

import functools

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elrbench_plugins.c3d import elr_backbones
from elrbench_plugins.c3d.c3d import C3d, c3d

(SPEC,) = elr_backbones()
State = dict[str, Tensor]

# DavideA/c3d-pytorch: C3D_model.py.
SHAPES = {
    "conv1": (64, 3, 3, 3, 3),
    "conv2": (128, 64, 3, 3, 3),
    "conv3a": (256, 128, 3, 3, 3),
    "conv3b": (256, 256, 3, 3, 3),
    "conv4a": (512, 256, 3, 3, 3),
    "conv4b": (512, 512, 3, 3, 3),
    "conv5a": (512, 512, 3, 3, 3),
    "conv5b": (512, 512, 3, 3, 3),
    "fc6": (4096, 8192),
    "fc7": (4096, 4096),
    "fc8": (487, 4096),
}


@functools.cache
def built() -> C3d:
    """One for the tests that only look."""
    torch.manual_seed(0)
    return c3d(7).eval()


def test_names_and_shapes_are_the_public_ones():
    with torch.device("meta"):
        state: State = c3d(487).state_dict()
    weights = {f"{name}.weight": shape for name, shape in SHAPES.items()}
    biases = {f"{name}.bias": shape[:1] for name, shape in SHAPES.items()}
    assert {key: tuple(value.shape) for key, value in state.items()} == weights | biases


@pytest.mark.parametrize(("classes", "parameters"), [(487, 79_991_015), (101, 78_409_573), (26, 78_102_298)])
def test_parameter_counts(classes, parameters):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in c3d(classes).parameters()) == parameters


def test_stage_maps_at_the_papers_size():
    with torch.device("meta"):
        network = c3d(5)
        made = network.forward_features(torch.empty(1, 3, 16, 112, 112))
        assert network.pool5(made[-1]).shape == (1, 512, 1, 4, 4)
    shapes = [(128, 16, 56, 56), (256, 8, 28, 28), (512, 4, 14, 14), (512, 2, 7, 7)]
    assert [tuple(stage.shape) for stage in made] == [(1, *shape) for shape in shapes]
    assert len(made) == len(SPEC.stages)


def reference_maps(state: State, x: Tensor) -> Tensor:
    """conv5b's map of the published graph."""
    for name in SHAPES:
        if name.startswith("fc"):
            break
        if name in ("conv2", "conv3a", "conv4a", "conv5a"):
            x = F.max_pool3d(x, (1, 2, 2) if name == "conv2" else 2)
        x = F.conv3d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1).relu()
    return x


def test_convolutions_are_those_of_the_published_graph():
    x = 50 * torch.randn(1, 3, 16, 32, 48, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = reference_maps(built().state_dict(), x)
        assert expected.std() > 0.1
        torch.testing.assert_close(built().forward_features(x)[-1], expected, rtol=1e-4, atol=1e-4)


def test_fully_connected_layers_are_the_published_ones_at_their_size():
    """Nothing is averaged where 16x112x112 ends in 2x7x7."""
    network, state = built(), built().state_dict()
    last = torch.rand(2, 512, 2, 7, 7, generator=torch.Generator().manual_seed(2)) - 0.2
    with torch.no_grad():
        x = F.max_pool3d(last, 2, 2, (0, 1, 1)).reshape(2, 8192)
        x = F.linear(x, state["fc6.weight"], state["fc6.bias"]).relu()
        x = F.linear(x, state["fc7.weight"], state["fc7.bias"]).relu()
        torch.testing.assert_close(network.pool(last), x)
        x = F.linear(x, state["fc8.weight"], state["fc8.bias"])
        torch.testing.assert_close(network.get_classifier()(network.pool(last)), x)


def test_a_larger_map_is_averaged_to_what_they_read():
    """32 frames of 240x240 end in 4x15x15; the maxima of 2x8x8 are averaged by twos."""
    seen = {}
    hook = built().fc6.register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    last = torch.rand(1, 512, 4, 15, 15, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        built().pool(last)
    hook.remove()
    maxima = F.max_pool3d(last, 2, 2, (0, 1, 1))
    assert maxima.shape[2:] == (2, 8, 8)
    torch.testing.assert_close(seen["x"].reshape(1, 512, 1, 4, 4), F.avg_pool3d(maxima, 2))


def test_a_smaller_map_is_spread_over_what_they_read():
    """One element, from any short and small view, stands for all sixteen."""
    seen = {}
    hook = built().fc6.register_forward_pre_hook(lambda module, inputs: seen.update(x=inputs[0]))
    last = torch.rand(1, 512, 1, 1, 1, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        built().pool(last)
    hook.remove()
    assert torch.equal(seen["x"].reshape(512, 16), last.reshape(512, 1).expand(512, 16))


def test_dropout_is_behind_both_hidden_layers():
    torch.manual_seed(4)
    seen = {}
    hooks = [
        layer.register_forward_pre_hook(lambda module, inputs, name=name: seen.update({name: inputs[0]}))
        for name, layer in (("fc7", built().fc7), ("fc8", built().fc8))
    ]
    network = built().train()
    with torch.no_grad():
        network.get_classifier()(network.pool(torch.rand(1, 512, 2, 7, 7)))
    network.eval()
    for hook in hooks:
        hook.remove()
    for name in ("fc7", "fc8"):
        assert 0.4 < (seen[name] == 0).float().mean() < 0.9  # half at least: ReLU leaves zeros of its own
    with torch.device("meta"):
        assert SPEC.build(5, {"dropout": 0.2}).dropout.p == 0.2


def test_initialisation_is_the_authors():
    state = built().state_dict()
    assert state["conv4b.weight"].std().item() == pytest.approx(0.01, rel=0.01)
    assert state["fc6.weight"].std().item() == pytest.approx(0.005, rel=0.01)
    assert state["fc8.weight"].std().item() == pytest.approx(0.01, rel=0.05)
    zero = {name for name in SHAPES if not state[f"{name}.bias"].any()}
    assert zero == {"conv1", "fc8"}
    assert all(bool((state[f"{name}.bias"] == 1).all()) for name in SHAPES.keys() - zero)


def test_logits_start_small_on_grey_levels():
    """Nothing is normalised: the weights alone keep a fresh network's answers near nought."""
    view = 255 * (torch.rand(2, 3, 16, 56, 56, generator=torch.Generator().manual_seed(5)) - 0.4)
    with torch.no_grad():
        assert built()(view).abs().max() < 5


def test_there_is_no_normalisation():
    assert not any(isinstance(part, nn.BatchNorm3d) for part in built().modules())
