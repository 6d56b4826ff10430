"""TinyVIRAT's networks: public names, exact sizes, what a pass costs, and what a step of growth gives."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from benchmark_core.cost.macs import count_macs
from benchmark_core.networks.recognizer import Recognizer
from elrbench_plugins.dvsr.enhancer import attended, super_resolution
from elrbench_plugins.dvsr.network import Attention, Dvsr

NATIVE = {"scale": 0, "native_input": "by-size"}
CONV = ("conv_spatial.weight", "conv_spatial.bias")
NORM = ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var", "norm.num_batches_tracked")


def convs(*places: str) -> Iterator[str]:
    return (f"{place}.{name}" for place in places for name in CONV)


def public_names(scale: int) -> set[str]:
    """UgurDemir/Tiny-VIRAT: deepnn/nets/models/locpg2.py, mode 3D, norm None; deepnn/layer/conv3d.py."""
    steps = {4: 2, 8: 3}[scale]
    dense = [
        f"res_hall.{block}.RDB{rdb}.conv{conv}" for block in range(steps) for rdb in (1, 2, 3) for conv in range(1, 6)
    ]
    ups = []
    for place, halvings in enumerate(reversed(range(steps))):
        ups += [f"up_layers.{place}.{number}" for number in range(halvings)]
        block = f"up_layers.{place}.{halvings}" if halvings else f"up_layers.{place}"
        ups += [f"{block}.c{number}" for number in (1, 2, 3)]
    projections = [f"rgb_proj.{step}.seq.l{number}" for step in range(steps) for number in (0, 1)]
    branch = [f"saliency_dec.{number}" for number in range(steps)]
    norms = {f"{place}.{name}" for place in branch[:-1] for name in NORM}
    return {*convs("convin", *dense, *ups, *projections, *branch), *norms}


SHAPES = {
    "convin.conv_spatial.weight": (32, 3, 3, 3, 3),
    "res_hall.0.RDB1.conv1.conv_spatial.weight": (32, 32, 3, 3, 3),
    "res_hall.1.RDB3.conv4.conv_spatial.weight": (32, 128, 3, 3, 3),
    "res_hall.2.RDB2.conv5.conv_spatial.weight": (32, 160, 3, 3, 3),
    "up_layers.0.1.conv_spatial.weight": (32, 32, 3, 3, 3),
    "up_layers.0.2.c2.conv_spatial.weight": (32, 32, 3, 3, 3),
    "up_layers.2.c3.conv_spatial.bias": (32,),
    "rgb_proj.1.seq.l0.conv_spatial.weight": (32, 32, 3, 3, 3),
    "rgb_proj.1.seq.l1.conv_spatial.weight": (3, 32, 1, 1, 1),
    "saliency_dec.0.conv_spatial.weight": (16, 32, 3, 3, 3),
    "saliency_dec.1.norm.running_var": (8,),
    "saliency_dec.2.conv_spatial.weight": (1, 8, 3, 3, 3),
}


@functools.cache
def network(scale: int) -> Dvsr:
    torch.manual_seed(scale)
    return Dvsr(scale).eval()


def noise(number: int, *size: int, frames: int = 16, seed: int = 0) -> Tensor:
    """In [-1, 1]."""
    return torch.rand(number, 3, frames, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize("scale", [4, 8])
def test_names_are_the_public_ones(scale: int) -> None:
    state = {**network(scale).state_dict(), **Attention(scale).state_dict()}
    assert set(state) == public_names(scale)
    if scale == 8:
        assert {key: tuple(state[key].shape) for key in SHAPES} == SHAPES


@pytest.mark.parametrize(("scale", "plain", "with_branch"), [(8, 4_152_041, 4_169_610), (4, 2_741_222, 2_748_375)])
def test_parameter_counts(scale: int, plain: int, with_branch: int) -> None:
    size = (16 * scale, 16 * scale)
    with torch.device("meta"):
        for build, due in ((super_resolution, plain), (attended, with_branch)):
            assert sum(parameter.numel() for parameter in build((16, 16), size, NATIVE).parameters()) == due
        both = sum(parameter.numel() for parameter in attended(None, (96, 128), NATIVE).parameters())
    assert both == 4_169_610 + 2_748_375


class Both(nn.Module):
    """The network with its branch, as they are trained."""

    frames = 16

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.network, self.branch = Dvsr(scale), Attention(scale)

    def forward(self, low: Tensor) -> Tensor:
        made, features = self.network.with_features(low)
        return made * self.branch(features)


class Mean(nn.Module):
    """A backbone of no multiply-adds."""

    def forward_features(self, x: Tensor) -> list[Tensor]:
        return [x]

    def pool(self, last: Tensor) -> Tensor:
        return last.mean((2, 3, 4))


class Nothing(nn.Module):
    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return features[:, 0]


@pytest.mark.parametrize(
    ("scale", "low", "branch", "convolutions", "paper"),
    [
        (8, 14, False, 31_761_106_944, 31.76e9),
        (8, 14, True, 32_152_479_744, 32.15e9),
        (4, 28, False, 51_033_808_896, 51.03e9),
    ],
)
def test_multiply_adds(scale: int, low: int, branch: bool, convolutions: int, paper: float) -> None:
    """As `elrbench cost` counts them: interpolation is beside them, the branch's normalisation within."""
    enhancer = Both(scale) if branch else super_resolution((low, low), (low * scale, low * scale), NATIVE)
    recognizer = Recognizer(
        enhancer=enhancer,
        backbone=Mean(),
        head=Nothing(),
        dims=3,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        frames=16,
        frames_at_once=16,
    )
    counted = count_macs(recognizer, torch.rand(1, 1, 3, 16, low, low))
    assert counted.enhancer == convolutions == pytest.approx(paper, rel=0.01)
    assert counted.extras["interpolation"] > 8e7 and counted.uncounted == {}


@pytest.mark.parametrize(
    ("scale", "steps"),
    [(8, [(4, 28, 28), (8, 56, 56), (16, 112, 112)]), (4, [(8, 28, 28), (16, 56, 56)])],
)
def test_each_step_doubles_the_sides(scale: int, steps: list[tuple[int, ...]]) -> None:
    with torch.no_grad():
        made = [tuple(network(scale)(noise(1, 14, 14), step).shape) for step in range(1, len(steps) + 1)]
    assert made == [(1, 3, *shape) for shape in steps]


def test_sides_may_differ() -> None:
    with torch.no_grad():
        assert network(8)(noise(1, 6, 9)).shape == (1, 3, 16, 48, 72)
        assert Attention(8)(network(8).features(noise(1, 6, 9))).shape == (1, 1, 16, 48, 72)


def test_without_its_projection_it_is_the_input_enlarged() -> None:
    """tanh of 0 plus linear interpolation in time and space."""
    torch.manual_seed(0)
    plain = Dvsr(4)
    for step in plain.rgb_proj:
        for parameter in step.seq.l1.parameters():
            nn.init.zeros_(parameter)
    low = noise(1, 5, 7)
    for step, shape in ((1, (8, 10, 14)), (2, (16, 20, 28))):
        with torch.no_grad():
            made = plain(low, step)
        torch.testing.assert_close(made, nn.functional.interpolate(low, shape, mode="trilinear"))


def test_dense_block_by_hand() -> None:
    """Each convolution takes its block's input and what came before; the fifth's output counts a fifth."""
    block = network(4).res_hall[0].RDB2
    x = torch.randn(1, 32, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        seen = x
        for conv in (block.conv1, block.conv2, block.conv3, block.conv4):
            made = nn.functional.conv3d(seen, conv.conv_spatial.weight, conv.conv_spatial.bias, padding=1)
            seen = torch.cat([seen, made.where(made > 0, 0.2 * made)], 1)
        last = nn.functional.conv3d(seen, block.conv5.conv_spatial.weight, block.conv5.conv_spatial.bias, padding=1)
        torch.testing.assert_close(block(x), x + 0.2 * last)
        whole = network(4).res_hall[0]
        torch.testing.assert_close(whole(x), x + 0.2 * whole.RDB3(whole.RDB2(whole.RDB1(x))))


@pytest.mark.parametrize("step", [2, 3])
def test_fade_in_begins_with_the_step_before_and_ends_with_its_own(step: int) -> None:
    grown, low = network(8), noise(1, 6, 7)
    with torch.no_grad():
        before, own = grown(low, step - 1), grown(low, step)
        faded = grown(low, step, 0.0)
        shape = own.shape[2:]
        # at alpha 0 the projection before, enlarged; the residual is the input enlarged once
        rest = before - nn.functional.interpolate(low, before.shape[2:], mode="trilinear")
        enlarged = nn.functional.interpolate(rest, shape, mode="trilinear")
        torch.testing.assert_close(faded, enlarged + nn.functional.interpolate(low, shape, mode="trilinear"))
        assert torch.equal(grown(low, step, 1.0), own)
        assert not torch.allclose(faded, own, atol=1e-3)


def test_fade_in_is_of_features_and_of_rgb_apart() -> None:
    """(1 - alpha) of the step before and alpha of its own: of the encoder's features, then of what is made of those."""
    grown, low, alpha = network(4), noise(1, 6, 6), 0.25
    with torch.no_grad():
        first = grown.convin(low)
        one = grown.res_hall[0](first)
        two = grown.res_hall[1](one)
        features = (1 - alpha) * one + alpha * two
        x = first + features
        up = grown.up_layers[0](x)  # (1, 32, 8, 12, 12)
        seen = [nn.functional.interpolate(part, (16, 12, 12), mode="trilinear") for part in (up, x)]
        rgb = [grown.rgb_proj[0](up), grown.rgb_proj[1](grown.up_layers[1](sum(seen)))]
        shape = (16, 24, 24)
        mixed = (1 - alpha) * nn.functional.interpolate(rgb[0], shape, mode="trilinear") + alpha * rgb[1]
        due = mixed + nn.functional.interpolate(low, shape, mode="trilinear")
        made, seen_by_branch = grown.with_features(low, 2, alpha)
    torch.testing.assert_close(made, due)
    torch.testing.assert_close(seen_by_branch, features)


def test_branch_sees_the_features_before_the_skip() -> None:
    low = noise(2, 6, 6)
    with torch.no_grad():
        _, features = network(8).with_features(low)
        assert torch.equal(network(8).features(low), features)
        hall = network(8).res_hall
        torch.testing.assert_close(features, hall[2](hall[1](hall[0](network(8).convin(low)))))
        weight = Attention(8).eval()(features)
    assert weight.shape == (2, 1, 16, 48, 48) and weight.min() > 0 and weight.max() < 1


def test_order_of_frames_matters() -> None:
    low = noise(1, 6, 6)
    with torch.no_grad():
        assert not torch.allclose(network(8)(low).flip(2), network(8)(low.flip(2)), atol=1e-4)


@pytest.mark.parametrize("scale", [4, 8])
def test_gradients_reach_every_parameter_of_a_step(scale: int) -> None:
    torch.manual_seed(0)
    grown = Dvsr(scale)
    for step in range(1, grown.steps + 1):
        grown.zero_grad(set_to_none=True)
        grown(noise(1, 4, 4), step, 0.5).square().mean().backward()
        reached = {name.rsplit(".", 2)[0] for name, value in grown.named_parameters() if value.grad is not None}
        parts = {".".join(name.split(".")[:2]) for name in reached}
        faded = {f"rgb_proj.{step - 2}"} if step > 1 else set()
        blocks = {f"{kind}.{number}" for kind in ("res_hall", "up_layers") for number in range(step)}
        assert parts == {"convin", f"rgb_proj.{step - 1}", *faded, *blocks}
        missed = [name for name, value in grown.named_parameters() if value.grad is not None and not value.grad.any()]
        assert not missed


@pytest.mark.parametrize("step", [1, 2])
def test_checkpointed_gradients_are_the_same_bit_for_bit(step: int) -> None:
    torch.manual_seed(0)
    grown, low = Dvsr(4), noise(2, 6, 6)

    def gradients(checkpointed: bool) -> dict[str, Tensor]:
        grown.checkpointed = checkpointed
        grown.zero_grad(set_to_none=True)
        grown(low, step, 0.5).abs().mean().backward()
        return {name: value.grad.clone() for name, value in grown.named_parameters() if value.grad is not None}

    kept, again = gradients(False), gradients(True)
    assert kept.keys() == again.keys() and all(torch.equal(kept[name], again[name]) for name in kept)


def test_same_seed_same_weights_with_the_branch_and_without() -> None:
    """So that what both train first is one stage."""
    states = []
    for build in (super_resolution, attended):
        torch.manual_seed(3)
        built = build(None, (32, 32), NATIVE)
        states.append((built if build is super_resolution else built.super_resolution).state_dict())
    assert states[0].keys() == states[1].keys()
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
