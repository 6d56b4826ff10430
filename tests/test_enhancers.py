"""Interpolation, by hand: pixel centres, borders repeated."""

import pytest
import torch

from elrbench_plugins.interpolation import elr_enhancers

SPECS = {spec.name: spec for spec in elr_enhancers()}


def row(*pixels: float) -> torch.Tensor:
    """(1, 3, 1, n), the same in each colour."""
    return torch.tensor(pixels).expand(1, 3, 1, len(pixels))


def check(name: str, low: torch.Tensor, size: tuple[int, int], *expected: float) -> None:
    torch.testing.assert_close(SPECS[name].build(None, size)(low), row(*expected), rtol=0, atol=1e-6)


def test_nearest_repeats():
    check("nearest", row(0.1, 0.9), (1, 6), 0.1, 0.1, 0.1, 0.9, 0.9, 0.9)


def test_nearest_takes_the_nearest_centre():
    # output centres 0.3, 0.9, 1.5, 2.1, 2.7 in units of input pixels, whose centres are 0.5, 1.5, 2.5
    check("nearest", row(0.1, 0.5, 0.9), (1, 5), 0.1, 0.1, 0.5, 0.9, 0.9)


def test_bilinear():
    # output centres lie at -0.25, 0.25, 0.75, 1.25 between input centres 0 and 1; outside them the border repeats
    check("bilinear", row(0.0, 1.0), (1, 4), 0.0, 0.25, 0.75, 1.0)


def test_bilinear_is_separable():
    low = torch.tensor([[0.0, 1.0], [0.4, 0.6]]).expand(1, 3, 2, 2)
    high = SPECS["bilinear"].build(None, (4, 4))(low)
    across = torch.tensor([0.0, 0.25, 0.75, 1.0])
    top, bottom = across, 0.4 + 0.2 * across
    expected = torch.stack([top, 0.75 * top + 0.25 * bottom, 0.25 * top + 0.75 * bottom, bottom])
    torch.testing.assert_close(high, expected.expand(1, 3, 4, 4))


def test_bicubic():
    # Keys' kernel, a = -0.75, at distances 0.25, 0.75, 1.25, 1.75
    near, far, outer, outest = 0.87890625, 0.26171875, -0.10546875, -0.03515625
    assert near + far + outer + outest == 1
    # output centre 2 of 8 lies a quarter pixel left of input centre 1: two right, two left
    pixels = 0.5, 0.4, 0.7, 0.6
    expected = outest * pixels[0] + far * pixels[0] + near * pixels[1] + outer * pixels[2]
    high = SPECS["bicubic"].build(None, (1, 8))(row(*pixels))
    assert high[0, 0, 0, 2].item() == pytest.approx(expected, abs=1e-6)


def test_bicubic_is_clamped():
    high = SPECS["bicubic"].build(None, (1, 16))(row(0.0, 0.0, 1.0, 1.0))
    unclamped = torch.nn.functional.interpolate(row(0.0, 0.0, 1.0, 1.0), (1, 16), mode="bicubic")
    assert unclamped.min() < 0 and unclamped.max() > 1
    assert torch.equal(high, unclamped.clamp(0, 1))


def test_bilinear_does_not_alias_when_it_shrinks():
    stripes = row(*[0.0, 1.0] * 8)
    assert SPECS["bilinear"].build(None, (1, 4))(stripes)[0, 0, 0, 1:3].tolist() == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("name", SPECS)
def test_shapes_and_range(name):
    enhance = SPECS[name].build(None, (96, 128))
    assert not list(enhance.parameters()) and not enhance.state_dict()
    for size in ((12, 16), (13, 7), (120, 160), (96, 16)):
        high = enhance(torch.rand(2, 3, *size))
        assert high.shape == (2, 3, 96, 128)
        assert high.min() >= 0 and high.max() <= 1


@pytest.mark.parametrize("name", SPECS)
def test_a_view_of_the_right_size_passes_untouched(name):
    view = torch.rand(1, 3, 9, 8)
    assert SPECS[name].build(None, (9, 8))(view) is view


@pytest.mark.parametrize("name", SPECS)
def test_constant_stays_constant(name):
    high = SPECS[name].build(None, (31, 45))(torch.full((1, 3, 12, 16), 0.3))
    torch.testing.assert_close(high, torch.full((1, 3, 31, 45), 0.3))
