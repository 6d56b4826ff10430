"""TenneT and pLRN: patches, filters, codes, histograms, low-rank clips, networks; each against a case by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from benchmark_core.networks.recognizer import Trace
from elrbench_plugins.plrn_tennet.hashing import (
    BlockMean,
    PcaHash,
    block_histograms,
    grey_of,
    hashed,
    pca_hash,
    step_of,
)
from elrbench_plugins.plrn_tennet.low_rank import low_rank, truncated
from elrbench_plugins.plrn_tennet.network import PlrnNet, averaged, halved, plrn_net
from elrbench_plugins.plrn_tennet.patches import FilterBank, Moments, patches, principal
from elrbench_plugins.plrn_tennet.plrn import target_error

# -- patches and filters


def test_a_patch_is_a_cube_without_its_mean() -> None:
    volume = torch.zeros(1, 3, 3, 4)
    volume[0, 1, 1, 1] = 27.0
    found = patches(volume)
    assert found.shape == (2, 27)  # two neighbouring cubes in 3x3x4
    first = torch.full((27,), -1.0)
    first[9 + 3 + 1] = 26.0  # frame 1, row 1, column 1
    second = torch.full((27,), -1.0)
    second[9 + 3 + 0] = 26.0
    assert torch.equal(found, torch.stack([first, second]))
    assert patches(torch.rand(2, 4, 5, 6)).shape == (2 * 2 * 3 * 4, 27)


def test_products_add_over_clips() -> None:
    one, other = torch.rand(5, 27), torch.rand(3, 27)
    moments = Moments()
    moments.add(one)
    moments.add(other)
    both = torch.cat([one, other]).double()
    assert torch.allclose(moments.products, both.T @ both) and int(moments.number) == 8
    assert moments.products.dtype == torch.float64


def test_filters_are_the_eigenvectors_of_a_known_covariance() -> None:
    ramp = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    across = ramp.repeat(9) / math.sqrt(18)  # columns
    down = ramp.repeat_interleave(3).repeat(3) / math.sqrt(18)  # rows
    forward = ramp.repeat_interleave(9) / math.sqrt(18)  # frames
    covariance = 5 * down.outer(down) + 3 * forward.outer(forward) + 1 * across.outer(across)
    found, above = principal(covariance, 3)
    assert found.shape == (3, 3, 3, 3) and above == 3
    for filter_, expected in zip(found.flatten(1), (down, forward, across), strict=True):
        assert torch.allclose(filter_, -expected, atol=1e-9)  # its first entry is negative: the sign turns
    assert principal(covariance, 5)[1] == 3


def test_signs_do_not_depend_on_the_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.randn(200, 27, dtype=torch.float64)
    products = draw.T @ draw
    solve = torch.linalg.eigh
    expected, _ = principal(products, 10)

    def turned(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        values, vectors = solve(matrix)
        return values, -vectors

    monkeypatch.setattr(torch.linalg, "eigh", turned)
    assert torch.equal(principal(products, 10)[0], expected)


def test_a_response_is_that_to_the_patch_without_its_mean() -> None:
    bank, maps = FilterBank(4, 3), torch.rand(2, 5, 6, 7)
    assert bank.first.shape == (4, 3, 3, 3) and bank.second.shape == (3, 3, 3, 3)
    assert bank.first.sum((1, 2, 3)).abs().max() < 1e-6
    found = bank.respond(maps, "first")
    assert found.shape == (2, 4, 5, 6, 7)
    inside = patches(maps) @ bank.first.flatten(1).T  # (M, 4)
    assert torch.allclose(found[:, :, 1:-1, 1:-1, 1:-1].movedim(1, -1).reshape(-1, 4), inside, atol=1e-5)


# -- codes and histograms


def test_codes_of_known_maps() -> None:
    responses = torch.tensor(
        [[[[1.0, -1.0], [0.0, 2.0]], [[1.0, 3.0], [-2.0, 1e-7]], [[-1.0, 1.0], [0.0, 1.0]]]]
    )  # (1, 3, 2, 2)
    assert hashed(responses).tolist() == [[[1 + 2, 2 + 4], [0, 1 + 4]]]  # 1e-7 is a rounding error


@pytest.mark.parametrize(
    ("block", "overlap", "step"), [(5, 0.5, 3), (4, 0.5, 2), (5, 0.0, 5), (3, 0.99, 1), (8, 0.25, 6)]
)
def test_step_between_blocks(block: int, overlap: float, step: int) -> None:
    assert step_of(block, overlap) == step


def test_histograms_of_known_overlapping_blocks() -> None:
    codes = torch.tensor([[[0, 1, 1, 2], [0, 3, 1, 2], [0, 0, 0, 0]]])  # 3x4
    found = block_histograms(codes, bins=4, block=2, step=1)
    assert found.shape == (1, 4, 2, 3)
    assert found[0, :, 0, 0].tolist() == [2, 1, 0, 1]  # 0 1 0 3
    assert found[0, :, 0, 1].tolist() == [0, 3, 0, 1]  # 1 1 3 1
    assert found[0, :, 1, 2].tolist() == [2, 1, 1, 0]  # 1 2 0 0
    assert torch.equal(found.sum(1), torch.full((1, 2, 3), 4.0))
    left_out = block_histograms(codes, bins=4, block=2, step=2)
    assert left_out.shape == (1, 4, 1, 2)  # the third row has no whole block


def test_the_descriptor_has_the_counts_of_the_papers_numbers() -> None:
    network = pca_hash(12)
    assert network.num_features == 10 * 1024 * 10 * 10  # steps of 3 from 0 to 27
    with torch.no_grad():
        (last,) = network.forward_features(torch.rand(1, 3, 16, 32, 32))
        assert last.shape == (1, 10240, 1, 10, 10) and network(torch.rand(1, 3, 3, 24, 32)).shape == (1, 12)
    per_map = last.unflatten(1, (10, 1024)).sum(2)
    assert torch.equal(per_map, torch.full_like(per_map, 25.0))  # each pixel of a block has one code
    assert network.pool(last).shape == (1, network.num_features)
    assert sum(p.numel() for p in network.parameters()) == 10240 * 12 + 12


def test_temporal_mean_before_and_after_bits() -> None:
    clips = torch.zeros(1, 3, 4, 32, 32)
    clips[:, :, 1] = torch.rand(32, 32)
    network = PcaHash(2, filters1=2, filters2=1, block=32, overlap=0.0)
    after = PcaHash(2, filters1=2, filters2=1, block=32, overlap=0.0, mean="histograms")
    after.load_state_dict(network.state_dict())
    second = network.bank.respond(network.bank.respond(grey_of(clips), "first").flatten(0, 1), "second")  # (2,1,4,…)
    (one,), (other,) = network.forward_features(clips), after.forward_features(clips)
    positive = (second.mean(2) > 1e-5).sum((1, 2, 3)).tolist()  # of each map of the first stage
    assert one.flatten().tolist() == [1024 - positive[0], positive[0], 1024 - positive[1], positive[1]]
    frames = (second > 1e-5).float().sum((1, 3, 4)).mean(1)
    assert other.flatten()[[1, 3]].tolist() == pytest.approx(frames.tolist())
    assert not torch.equal(one, other)


def test_codes_of_flat_clips() -> None:
    """Away from the border in space, all pixels have one code; it comes from the zeros before and after the clip."""
    network = PcaHash(2, filters1=2, filters2=3, block=4, overlap=0.0)
    (last,) = network.forward_features(torch.full((1, 3, 16, 32, 32), 0.7))
    middle = last.unflatten(1, (2, 8))[0, :, :, 0, 1:-1, 1:-1]
    assert middle.shape == (2, 8, 6, 6) and (middle.amax(1) == 16).all() and (middle == middle[..., :1, :1]).all()
    network.bank.first.zero_()  # no response at all
    (last,) = network.forward_features(torch.full((1, 3, 16, 32, 32), 0.7))
    counts = last.unflatten(1, (2, 8))
    assert (counts[:, :, 0] == 16).all() and (counts[:, :, 1:] == 0).all()


def test_other_methods_average_over_blocks() -> None:
    assert BlockMean(2)(torch.tensor([[1.0, 3.0, 5.0, 5.0]])).tolist() == [[2.0, 5.0]]


# -- the low-rank target


@pytest.mark.parametrize("kind", ["tensor", "matrix"])
def test_a_clip_of_rank_one_is_its_own_target(kind: str) -> None:
    time, rows, columns = torch.rand(6), torch.rand(8), torch.rand(9)
    clip = torch.einsum("t,h,w->thw", time, rows, columns).unsqueeze(0)
    assert torch.allclose(low_rank(clip, kind, 1), clip, atol=1e-6)


def test_the_matrix_target_is_the_truncated_svd() -> None:
    clip = torch.rand(2, 6, 4, 5)
    u, s, v = torch.linalg.svd(clip.flatten(2), full_matrices=False)
    expected = (u[..., :2] * s[:, None, :2]) @ v[:, :2]
    assert torch.allclose(low_rank(clip, "matrix", 2), expected.reshape(clip.shape), atol=1e-5)
    error = (low_rank(clip, "matrix", 2) - clip).square().sum((1, 2, 3))
    assert torch.allclose(error, s[:, 2:].square().sum(1), atol=1e-4)  # Eckart and Young
    assert torch.equal(low_rank(clip, "matrix", 6), clip)


def test_the_tensor_target_truncates_each_frequency() -> None:
    clip = torch.rand(1, 5, 6, 4)
    found = low_rank(clip, "tensor", 2)
    ranks = torch.linalg.matrix_rank(torch.fft.fft(found.double(), dim=1), tol=1e-4)
    assert ranks.tolist() == [[2] * 5] and found.shape == clip.shape
    still = torch.rand(1, 1, 6, 4).expand(1, 5, 6, 4)  # the mean over time alone: SVD of one frame
    u, s, v = torch.linalg.svd(still[0, 0], full_matrices=False)
    assert torch.allclose(low_rank(still, "tensor", 1)[0, 3], s[0] * u[:, :1] @ v[:1], atol=1e-5)
    assert truncated(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), 1).tolist() == [[3.0, 0.0], [0.0, 0.0]]


def test_the_error_is_over_real_intervals() -> None:
    grey = torch.full((2, 1, 4, 4, 4), 0.5).expand(2, 3, 4, 4, 4)
    estimate = nn.Conv3d(10, 1, 3, padding=1).requires_grad_(False)
    nn.init.zeros_(estimate.weight)
    nn.init.constant_(estimate.bias, 0.2)  # type: ignore[arg-type]
    given = {"image": grey, "stages": [torch.rand(2, 10, 4, 4, 4)], "features": grey, "logits": grey}
    both = Trace(**given, mask=torch.tensor([[1.0, 1.0]]))
    assert float(target_error(both, estimate, "tensor", 1)) == pytest.approx(0.3**2, abs=1e-6)
    other = grey.clone()
    other[1] = 1.0
    one = Trace(**{**given, "image": other}, mask=torch.tensor([[1.0, 0.0]]))
    assert float(target_error(one, estimate, "matrix", 1)) == pytest.approx(0.3**2, abs=1e-6)


# -- the network


def test_shapes_and_parameters_of_the_network() -> None:
    network = plrn_net(51)
    dense = 10 * 4 * 8 * 8 * 512 + 512
    assert sum(p.numel() for p in network.parameters()) == 270 + 20 + 2700 + 20 + dense + 513 * 51 == 1_340_405
    first, last = network.forward_features(torch.rand(2, 3, 16, 32, 32))
    assert first.shape == last.shape == (2, 10, 16, 32, 32) and network.pool(last).shape == (2, 512)
    assert network(torch.rand(1, 3, 3, 20, 41)).shape == (1, 51)


def test_other_sizes_are_pooled_adaptively() -> None:
    maps = torch.rand(2, 10, 3, 9, 20)
    found = maps
    for axis, size in enumerate((4, 8, 8), 2):
        found = averaged(found, axis, size)
    assert torch.allclose(found, nn.functional.adaptive_avg_pool3d(maps, (4, 8, 8)), atol=1e-6)
    assert halved(torch.arange(3.0).reshape(1, 1, 3, 1, 1)).flatten().tolist() == [1.0, 2.0]


def test_the_first_maps_answer_as_tennets_filters() -> None:
    network, bank = PlrnNet(3).eval(), FilterBank(10, 10)
    network.start_from(bank)
    clips = torch.rand(1, 3, 6, 8, 8)
    first = bank.respond(grey_of(clips), "first")
    assert torch.allclose(network.conv1(grey_of(clips).unsqueeze(1)), first, atol=1e-5)
    expected = bank.respond(first.mean(1), "second")  # filters are linear: the mean of the maps
    assert torch.allclose(network.conv2(first), expected, atol=1e-5)
