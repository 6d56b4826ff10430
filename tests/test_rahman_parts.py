"""rahman: points, cuboids, words and textures, each against a case worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from elrbench_plugins.hof_svm.histograms import Vote
from elrbench_plugins.rahman.bsif import bsif_top, independent_components, patches, picture_codes
from elrbench_plugins.rahman.cuboids import cuboid_histograms, vote_volume
from elrbench_plugins.rahman.lbp_top import around, bins_of, lbp_top, plane_codes, uniform_bins
from elrbench_plugins.rahman.planes import PLANES, at_least, shares
from elrbench_plugins.rahman.points import dense_points, gaussian, harris, interest_points
from elrbench_plugins.rahman.words import HOF, HOG, BagOfWords, word_shares

# -- LBP-TOP


def test_codes_of_a_tiny_cube() -> None:
    """3x3x3 voxels that grow to the right by 10 levels. Neighbours begin at the right and turn upwards.

    Bits 0, 1 and 7 are brighter, 2 and 6 equal, which counts, 3 to 5 darker. In YT, all are equal.
    """
    cube = (torch.arange(3.0) * 10).expand(3, 3, 3)
    codes = [plane_codes(cube, plane, (1, 1, 1)).flatten().tolist() for plane in PLANES]
    assert codes == [[1 + 2 + 4 + 64 + 128]] * 2 + [[255]]


def test_neighbours_between_voxels_are_bilinear() -> None:
    """At 45 degrees: right and up by sqrt(1/2); the four nearest voxels have 10, 20, 30 and 70."""
    cube = torch.zeros(3, 3, 3)
    cube[1, 1, 1], cube[1, 1, 2], cube[1, 0, 1], cube[1, 0, 2] = 10, 20, 30, 70
    s = math.sqrt(0.5)
    due = (1 - s) * (1 - s) * 10 + s * (1 - s) * 20 + s * (1 - s) * 30 + s * s * 70
    assert around(cube, (0, -s, s), (1, 1, 1)).item() == pytest.approx(due, abs=1e-4)


def test_time_and_space_have_their_own_radius() -> None:
    """A later frame is brighter: in XT, time points upwards, so that bits 5 to 7 are of later frames.

    The neighbours at 45 degrees are between frames, which brings them nearer to the centre, but brighter still.
    """
    cube = (torch.arange(7.0) * 10).reshape(7, 1, 1).expand(7, 5, 5)
    codes = plane_codes(cube, (0, 2), (3, 2, 2))
    assert codes.shape == (1, 1, 1) and codes.item() == 1 + 16 + 32 + 64 + 128  # equal left and right, then later ones


def test_histograms_of_three_planes() -> None:
    cube = (torch.arange(5.0) * 10).expand(4, 5, 5)
    found = lbp_top(cube, 1, 1, uniform=False).reshape(3, 256)
    assert found[0, 199] == found[1, 199] == found[2, 255] == 1 and found.sum() == 3
    same = lbp_top(torch.full((2, 2, 2), 7.0), 2, 1, uniform=True).reshape(3, 59)  # filled up to 3x5x5
    assert same[:, int(uniform_bins()[255])].tolist() == [1, 1, 1]


def test_uniform_patterns() -> None:
    """58 of 256 codes have at most two changes: none and all, and 8 x 7 arcs. The others share a bin."""
    bins = uniform_bins()
    assert bins_of(uniform=True) == 59 and bins.unique().tolist() == list(range(59))
    assert int((bins == 58).sum()) == 256 - 58
    for code in (0b0, 0b11111111, 0b00011100, 0b11000011):
        assert bins[code] != 58
    assert bins[0b01010101] == bins[0b10010000] == 58


# -- BSIF


def test_codes_of_two_filters() -> None:
    """One filter sees light to the right, the other light below."""
    across = torch.tensor([[-1.0, 0, 1], [0, 0, 0], [0, 0, 0]])
    down = across.T
    filters = torch.stack([across, down]) / math.sqrt(2)
    rising = (torch.arange(3.0) * 10).expand(3, 3)
    for picture, code in ((rising, 1), (rising.T, 2), (rising + rising.T, 3), (-rising, 0), (torch.zeros(3, 3), 0)):
        assert picture_codes(picture[None, None], filters).flatten().tolist() == [code]
    found = bsif_top(rising.expand(3, 3, 3).contiguous(), filters).reshape(3, 4)
    assert found.argmax(1).tolist() == [1, 1, 0] and found.sum() == 3  # XY and XT rise to the right, YT is flat


def test_patches_are_parts_of_frames() -> None:
    volume = torch.arange(2 * 4 * 5.0).reshape(2, 4, 5)
    every = {
        tuple(volume[t, y : y + 3, x : x + 3].flatten().tolist())
        for t, y, x in itertools.product(range(2), range(2), range(3))
    }
    found = patches(volume, 3, 100, np.random.default_rng(0))
    assert {tuple(each) for each in found.tolist()} == every and len(found) == 12
    assert patches(volume, 3, 5, np.random.default_rng(0)).shape == (5, 9)


def test_independent_sources_are_found() -> None:
    """Patches that mix two sources of light tails: each filter answers to one of them."""
    rng = np.random.default_rng(0)
    sources = rng.laplace(size=(4000, 2))
    one, other = np.zeros(9), np.zeros(9)
    one[[0, 1]], other[[4, 8]] = (1, -1), (1, -1)
    samples = sources @ np.stack([one, other]) + 100  # the mean of a patch has no effect
    filters, converged = independent_components(samples, 2, 0)
    assert converged and filters.shape == (2, 9)
    assert filters.norm(dim=1).tolist() == pytest.approx([1, 1]) and filters.sum(1).abs().max() < 1e-4
    answers = (torch.stack([torch.tensor(one), torch.tensor(other)]).float() @ filters.T).abs()
    assert sorted(answers.argmax(1).tolist()) == [0, 1] and answers.amin(1).max() < 0.1
    with pytest.raises(ValueError, match="fewer than 3 independent"):
        independent_components(samples, 3, 0)


# -- interest points


def test_smoothing_keeps_sums_and_spreads_by_its_scale() -> None:
    volume = torch.zeros(1, 21, 41, 41)
    volume[0, 10, 20, 20] = 1
    found = gaussian(volume, 2.0, 1.5)[0]
    assert found.sum().item() == pytest.approx(1, abs=1e-4)
    for axis, scale in ((0, 1.5), (1, 2.0), (2, 2.0)):
        at = torch.arange(float(found.shape[axis]))
        marginal = found.sum([other for other in range(3) if other != axis])
        variance = (marginal * (at - (marginal * at).sum()) ** 2).sum().item()
        assert variance == pytest.approx(scale**2, rel=0.05)


def test_the_response_is_the_determinant_minus_the_cubed_trace() -> None:
    """Against matrices that are built and evaluated one by one."""
    torch.manual_seed(0)
    volume = torch.rand(6, 8, 9)
    smooth = gaussian(volume[None], 1.0, 0.8)[0]
    steps = torch.stack(torch.gradient(smooth, dim=(2, 1, 0)))  # (3, T, H, W)
    products = (steps.unsqueeze(1) * steps.unsqueeze(0)).flatten(0, 1)  # (9, T, H, W)
    moments = gaussian(products, math.sqrt(2) * 1.0, math.sqrt(2) * 0.8).reshape(3, 3, *volume.shape)
    matrices = moments.permute(2, 3, 4, 0, 1)
    due = torch.linalg.det(matrices) - 0.005 * matrices.diagonal(dim1=-2, dim2=-1).sum(-1) ** 3
    assert torch.allclose(harris(volume, 1.0, 0.8), due, atol=1e-9)


def test_points_are_where_a_dot_appears_and_vanishes() -> None:
    volume = torch.zeros(20, 32, 32)
    volume[8:13, 12:17, 20:25] = 200
    points, real = interest_points(volume, 1.5, 1.5, 10)
    assert points.shape == (10, 3) and bool(real[0]) and not bool(real.all())
    frame, row, column = points[0].tolist()
    assert 6 <= frame <= 14 and 10 <= row <= 18 and 18 <= column <= 26
    still, none = interest_points(torch.rand(1, 32, 32).expand(20, 32, 32) * 200, 1.5, 1.5, 10)
    assert len(still) == 10 and not bool(none.any())
    assert interest_points(torch.rand(1, 12, 12) * 200, 1.5, 1.5, 10)[1].tolist() == [False] * 10  # one frame


def test_dense_cuboids_overlap_by_half_and_stay_inside() -> None:
    points = dense_points((10, 12, 16), 6, 4)
    assert [points[:, axis].unique().tolist() for axis in range(3)] == [[2, 4, 6, 8], [3, 6, 9], [3, 6, 9, 13]]
    assert len(points) == 4 * 3 * 4
    assert dense_points((3, 4, 5), 6, 4).tolist() == [[1, 2, 2]]  # the volume is smaller than a cuboid


# -- cuboids and words


def slow(volume: Tensor, centre: tuple[int, int, int], side: int, length: int) -> list[float]:
    sizes, cells, found = (length, side, side), (2, 3, 3), []
    for cell in itertools.product(*map(range, cells)):
        total = torch.zeros(len(volume))
        parts = []
        for axis in range(3):
            first = centre[axis] - sizes[axis] // 2
            ends = [first + (cell[axis] + step) * sizes[axis] // cells[axis] for step in (0, 1)]
            parts.append(range(max(0, ends[0]), min(volume.shape[axis + 1], ends[1])))
        for t, y, x in itertools.product(*parts):
            total += volume[:, t, y, x]
        found += total.tolist()
    norm = math.sqrt(sum(value**2 for value in found))
    return [value / max(norm, 1e-12) for value in found]


@pytest.mark.parametrize("centre", [(4, 7, 8), (0, 0, 15), (7, 11, 3)])
def test_cuboids_sum_the_votes_of_their_cells(centre: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    volume = torch.rand(4, 8, 12, 16)
    found = cuboid_histograms(volume, torch.tensor([centre]), 7, 5)
    assert found.shape == (1, 18 * 4)
    assert found[0].tolist() == pytest.approx(slow(volume, centre, 7, 5), abs=1e-5)
    assert not cuboid_histograms(torch.zeros(4, 8, 12, 16), torch.tensor([centre]), 7, 5).any()


def test_votes_of_one_pixel_are_added() -> None:
    bins, weights = torch.tensor([[[0, 2]]]), torch.tensor([[[1.0, 3.0]]])
    found = vote_volume([Vote(bins, weights), Vote(torch.tensor([[[1, 2]]]), torch.tensor([[[5.0, 7]]]))], 3)
    assert found[:, 0, 0].tolist() == [[1, 0], [5, 0], [0, 10]]


def test_shares_of_words() -> None:
    words = torch.tensor([[0.0, 1], [1, 0]])
    found = word_shares(torch.tensor([[0.1, 0.9], [0.2, 0.9], [1, 0.3], [1, 0]]), words, torch.tensor([1, 1, 1, 0]) > 0)
    assert found.tolist() == pytest.approx([2 / 3, 1 / 3])
    assert word_shares(torch.zeros(2, 2), words, torch.zeros(2) > 0).tolist() == [0, 0]
    assert shares(torch.tensor([[0, 2], [2, 2]]), 4).tolist() == [0.25, 0, 0.75, 0]


def test_short_volumes_repeat_their_ends() -> None:
    found = at_least(torch.tensor([[[1.0, 2]]]), (2, 1, 4))
    assert found.tolist() == [[[1, 2, 2, 2]], [[1, 2, 2, 2]]]


@pytest.mark.parametrize(
    ("textures", "patterns", "groups", "width"),
    [
        ("lbp-top+bsif", "all", 4, 768),
        ("lbp-top", "uniform", 3, 177),
        ("bsif", "all", 3, 3 * 2**8),
        ("none", "all", 2, 100),
    ],
)
def test_the_descriptor(textures: str, patterns: str, groups: int, width: int) -> None:
    """Each group sums to 1: shares of words, and a third of each plane."""
    torch.manual_seed(0)
    network = BagOfWords(5, words=100, textures=textures, patterns=patterns, side=9, length=4)
    assert (HOG, HOF) == (72, 90) and network.hog.shape == (100, 72) and network.hof.shape == (100, 90)
    assert (network.group_sizes, network.num_features) == ((width,) * groups, groups * width)
    assert sum(each.numel() for each in network.parameters()) == (groups * width + 1) * 5
    clips = torch.rand(2, 3, 9, 24, 32)
    (found,) = network.forward_features(clips)
    assert found.shape == (2, groups * width, 1, 1, 1)
    assert found.reshape(2, groups, width).sum(2).flatten().tolist() == pytest.approx([1.0] * 2 * groups, abs=1e-4)
    assert network(clips).shape == (2, 5)


def test_frames_that_repeat_the_last_one_have_no_effect() -> None:
    torch.manual_seed(0)
    network = BagOfWords(3, words=10, detector="dense", side=9, length=4)
    clip = torch.rand(3, 6, 24, 32)
    longer = torch.cat([clip, clip[:, -1:].expand(-1, 5, -1, -1)], 1)
    assert torch.equal(network.describe(clip), network.describe(longer))
    assert network.describe(clip[:, :1]).isfinite().all()
