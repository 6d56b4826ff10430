"""Boxes: what is drawn, and what is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark_core.clips.augment import WHOLE, Jitter, cut, draw_box


def view(number: int = 2) -> torch.Tensor:
    return torch.rand(number, 3, 2, 8, 12, generator=torch.Generator().manual_seed(0))


def boxes(*rows: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(rows)


def test_the_whole_view_is_returned_bit_for_bit_beside_a_cut_one() -> None:
    seen = view()
    out = cut(seen, boxes(WHOLE, (0.25, 0.25, 0.5, 0.5, 0)))
    assert torch.equal(out[0], seen[0])
    assert not torch.allclose(out[1], seen[1])


def test_a_flip_mirrors_left_and_right() -> None:
    seen = view()
    assert torch.allclose(cut(seen, boxes((0, 0, 1, 1, 1), (0, 0, 1, 1, 1))), seen.flip(-1), atol=1e-5)


def test_a_quarter_is_enlarged_bilinearly() -> None:
    # A ramp 0..3 across: its left half, 2 pixels wide, brought to 4 has values at -0.25, 0.25, 0.75 and 1.25,
    # of which the first lies outside and repeats the edge.
    ramp = torch.arange(4.0).expand(1, 3, 1, 4, 4)
    out = cut(ramp, boxes((0, 0, 0.5, 0.5, 0)))
    assert torch.allclose(out[0, 0, 0, 0], torch.tensor([0.0, 0.25, 0.75, 1.25]), atol=1e-6)
    right = cut(ramp, boxes((0.5, 0.5, 0.5, 0.5, 1)))
    assert torch.allclose(right[0, 0, 0, 0], torch.tensor([3.0, 2.75, 2.25, 1.75]), atol=1e-6)
    down = cut(ramp.transpose(-1, -2), boxes((0, 0.5, 0.5, 0.5, 1)))
    assert torch.allclose(down[0, 0, 0, :, 0], torch.tensor([0.0, 0.25, 0.75, 1.25]), atol=1e-6)


def test_every_frame_and_channel_is_cut_alike() -> None:
    one = torch.rand(1, 1, 1, 8, 12)
    out = cut(one.expand(1, 3, 5, 8, 12), boxes((0.1, 0.2, 0.66, 0.75, 1)))
    assert torch.equal(out, out[:, :1, :1].expand_as(out))


def test_low_and_high_are_cut_to_the_same_content() -> None:
    # A smooth picture sampled at two sizes stays aligned after the same cut.
    def smooth(height: int, width: int) -> torch.Tensor:
        down = (torch.arange(height) + 0.5) / height
        across = (torch.arange(width) + 0.5) / width
        return (down[:, None] * 0.6 + across[None] * 0.4).expand(1, 3, 1, height, width)

    box = boxes((0.25, 0.125, 0.66, 0.75, 1))
    high, low = cut(smooth(96, 128), box), cut(smooth(24, 32), box)
    means = high.reshape(1, 3, 1, 24, 4, 32, 4).mean((4, 6))
    assert (means - low)[..., 2:-2, 2:-2].abs().max() < 1e-5


def test_gradients_reach_the_view() -> None:
    seen = view().requires_grad_()
    cut(seen, boxes((0, 0, 1, 1, 0), (0.1, 0.1, 0.8, 0.8, 1))).sum().backward()
    assert seen.grad is not None
    assert torch.equal(seen.grad[0], torch.ones_like(seen.grad[0]))
    assert seen.grad[1].abs().sum() > 0


def test_drawn_boxes_are_those_documented() -> None:
    rng = np.random.default_rng(0)
    sides = (1.0, 0.875, 0.75, 0.66)
    drawn = np.stack([draw_box(rng) for _ in range(3000)])
    assert drawn.dtype == np.float32
    top, left, height, width, flip = drawn.T
    pairs = {(round(float(h), 3), round(float(w), 3)) for h, w in zip(height, width, strict=True)}
    assert pairs == {(sides[i], sides[j]) for i in range(4) for j in range(4) if abs(i - j) <= 1}
    for start, share in ((top, height), (left, width)):
        free = 1 - share > 0
        places = start[free] / (1 - share[free])
        assert set(np.round(places, 4)) == {0.0, 0.5, 1.0}
        assert (start + share <= 1 + 1e-6).all()
    assert set(flip) == {0.0, 1.0} and abs(flip.mean() - 0.5) < 0.04
    # Corners or the centre: never the middle of an edge.
    both = (height < 1) & (width < 1)
    down, across = top[both] / (1 - height[both]), left[both] / (1 - width[both])
    assert ((np.abs(down - 0.5) < 0.01) == (np.abs(across - 0.5) < 0.01)).all()


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_jitter_can_be_narrowed(flip: float) -> None:
    rng = np.random.default_rng(0)
    only = Jitter(sides=(1.0,), flip=flip)
    assert {tuple(draw_box(rng, only).tolist()) for _ in range(20)} == {(0.0, 0.0, 1.0, 1.0, flip)}
