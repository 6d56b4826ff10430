"""The transformer over tubelets: exact size, tokens and positions by hand, attention over the whole clip."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from elrbench_plugins.native_vit import elr_backbones
from elrbench_plugins.native_vit.native_vit import Attention, Block, NativeVit

(SPEC,) = elr_backbones()


@functools.cache
def built(tubelet: str = "2x2x2") -> NativeVit:
    torch.manual_seed(0)
    network = SPEC.build(7, {"tubelet": tubelet}).eval()
    assert isinstance(network, NativeVit)
    return network


def test_parameters_by_hand() -> None:
    """D = 128: tubelets, positions, six blocks of 12 D D + 13 D, the last normalisation, the classifier."""
    d = 128
    tokens, positions = 3 * 8 * d + d, 12 * d + 48 * d
    expected = tokens + positions + 6 * (12 * d * d + 13 * d) + 2 * d + 7 * d + 7
    assert sum(parameter.numel() for parameter in built().parameters()) == expected == 1_201_671


@pytest.mark.parametrize(
    ("tubelet", "view", "grid"),
    [
        ("2x2x2", (24, 12, 16), (12, 6, 8)),
        ("2x3x4", (24, 12, 16), (12, 4, 4)),
        ("2x2x2", (16, 6, 8), (8, 3, 4)),
        ("2x2x2", (7, 9, 13), (4, 5, 7)),  # padded to 8x10x14
        ("2x4x4", (1, 32, 32), (1, 8, 8)),
        ("1x2x2", (4, 4, 4), (4, 2, 2)),
    ],
)
def test_stage_maps(tubelet: str, view: tuple[int, ...], grid: tuple[int, ...]) -> None:
    network, clip = built(tubelet), torch.rand(2, 3, *view)
    with torch.no_grad():
        maps = network.forward_features(clip)
        assert [tuple(seen.shape) for seen in maps] == [(2, 128, *grid)] * len(SPEC.stages)
        features = network.pool(maps[-1])
        torch.testing.assert_close(features, maps[-1].mean((2, 3, 4)))
        assert torch.equal(network.get_classifier()(features), network(clip))


def test_attention_by_hand() -> None:
    """One head, width 2, identity projections: weights are softmax(q k / sqrt(2))."""
    attention = Attention(2, 1)
    attention.qkv.weight.data = torch.eye(2).repeat(3, 1)
    attention.proj.weight.data = torch.eye(2)
    for linear in (attention.qkv, attention.proj):
        nn.init.zeros_(linear.bias)
    x = torch.tensor([[[2**0.5, 0.0], [0.0, 1.0]]])  # products with the tokens: 2 and 0, 0 and 1
    first = torch.tensor([2 / 2**0.5, 0.0]).softmax(0)
    second = torch.tensor([0.0, 1 / 2**0.5]).softmax(0)
    expected = torch.stack([first @ x[0], second @ x[0]])
    with torch.no_grad():
        torch.testing.assert_close(attention(x)[0], expected)


def test_every_token_sees_the_whole_clip() -> None:
    network, clip = built(), torch.rand(1, 3, 24, 12, 16)
    other = clip.clone()
    other[:, :, -1, -1, -1] += 1
    with torch.no_grad():
        change = (network.forward_features(clip)[0] - network.forward_features(other)[0]).abs()
    assert bool((change.amax(1) > 0).all())


def test_positions_are_a_sum_and_are_interpolated_to_other_grids() -> None:
    network = built()
    with torch.no_grad():
        own = network.positions((12, 6, 8))
        assert torch.equal(own[0, :, 3, 2, 5], network.time[0, :, 3] + network.space[0, :, 2, 5])
        half = network.positions((6, 6, 8))  # the middle of frames 0 and 1, 2 and 3, ...
        time = (network.time[0, :, 0] + network.time[0, :, 1]) / 2
        torch.testing.assert_close(half[0, :, 0, 2, 5], time + network.space[0, :, 2, 5])
        assert network.positions((4, 3, 4)).shape == (1, 128, 4, 3, 4)


def test_without_positions_the_order_of_tubelets_has_no_effect() -> None:
    network, clip = built(), torch.rand(1, 3, 4, 12, 16)
    turned = torch.cat((clip[:, :, 2:], clip[:, :, :2]), 2)  # two tubelets in time change places
    with torch.no_grad():
        assert not torch.allclose(network(clip), network(turned), atol=1e-6)
        time = network.time.data.clone()
        network.time.data.zero_()
        torch.testing.assert_close(network(clip), network(turned))
        network.time.data.copy_(time)


def test_a_block_is_pre_norm() -> None:
    """With projections of 0, a block returns its input; its scale does not change what attention sees."""
    torch.manual_seed(0)
    block, x = Block(128, 4, 0.0).eval(), torch.randn(2, 5, 128)
    with torch.no_grad():
        torch.testing.assert_close(block(3 * x) - 3 * x, block(x) - x, rtol=0.35, atol=0.2)
        for linear in (block.attn.proj, block.mlp[2]):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
        assert torch.equal(block(x), x)


def test_gradients_reach_every_parameter() -> None:
    torch.manual_seed(0)
    network = SPEC.build(7, {"drop_path": 0.0})
    network(torch.randn(2, 3, 24, 12, 16)).square().mean().backward()
    assert not [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
