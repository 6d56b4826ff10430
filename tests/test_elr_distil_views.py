"""Transforms, degradation, flow and its loss of elr-distil, by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.frames import Frames
from elrbench_plugins.degradations import AVERAGE, average, from_high
from elrbench_plugins.elr_distil import augment, flow, motion_target
from elrbench_plugins.lr_transforms import transforms
from elrbench_plugins.lr_transforms.transforms import Draw

CLEAN = {"sigma_blur": 0.0, "sigma_noise": 0.0}


def drawn(clips: int = 1, **changes: Any) -> Draw:
    """Numbers that change nothing, except for `changes`, by clip."""
    fields: dict[str, Any] = {"shift": torch.zeros(clips, 2), "drift": torch.zeros(clips, 2),
                              "scale": torch.ones(clips), "angle": torch.zeros(clips), "flip": torch.zeros(clips),
                              "made": torch.ones(clips, dtype=torch.bool)}  # fmt: skip
    return Draw(**{**fields, **{key: torch.as_tensor(value) for key, value in changes.items()}})


def smooth(height: int, width: int, moved: tuple[float, float] = (0.0, 0.0), seed: int = 0) -> Tensor:
    """A smooth texture (1, 1, H, W), moved by pixels (right, down)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 1, height // 4 + 4, width // 4 + 4, generator=generator)
    rows = (torch.arange(height) - moved[1]) / height * 1.4 - 0.7
    columns = (torch.arange(width) - moved[0]) / width * 1.4 - 0.7
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], -1).unsqueeze(0)
    return F.grid_sample(coarse, grid, mode="bicubic", padding_mode="border", align_corners=False)


# -- transforms


def test_nothing_drawn_changes_nothing() -> None:
    view = torch.rand(2, 3, 3, 4, 8, 12)
    assert torch.allclose(transforms.transform(view, drawn(2)), view, atol=1e-5)


def test_a_shift_by_whole_pixels_moves_the_picture() -> None:
    """Two pixels down of 8 and three to the right of 12."""
    view = torch.rand(1, 1, 3, 2, 8, 12)
    seen = transforms.transform(view, drawn(shift=[[2 / 8, 3 / 12]]))
    assert torch.allclose(seen[..., 2:, 3:], view[..., :-2, :-3], atol=1e-5)
    assert torch.allclose(seen[..., 0, 3:], view[..., 0, :-3], atol=1e-5)  # the border is repeated


def test_a_flip_and_a_rotation_by_right_angles() -> None:
    view = torch.rand(1, 1, 3, 2, 8, 12)
    assert torch.allclose(transforms.transform(view, drawn(flip=[1.0])), view.flip(-1), atol=1e-5)
    half = transforms.transform(view, drawn(angle=[math.pi]))
    assert torch.allclose(half, view.flip(-1, -2), atol=1e-4)
    quarter = transforms.transform(view, drawn(angle=[math.pi / 2]))
    inner, turned = view[..., 2:10], torch.rot90(view[..., 2:10], dims=(-2, -1))  # pixels stay square
    assert torch.allclose(quarter[..., 2:10], turned, atol=1e-4) or torch.allclose(
        quarter[..., 2:10], torch.rot90(inner, -1, dims=(-2, -1)), atol=1e-4
    )


def test_a_scale_of_two_enlarges_the_middle() -> None:
    view = torch.zeros(1, 1, 3, 1, 8, 8)
    view[..., 3:5, 3:5] = 1
    seen = transforms.transform(view, drawn(scale=[2.0]))
    assert seen[..., 2:6, 2:6].min() > 0.5 and seen[..., :1, :].max() == 0
    assert seen.sum() == pytest.approx(4 * view.sum().item(), rel=0.01)


def test_a_drift_moves_the_first_and_the_last_frame_apart() -> None:
    """Two frames have times -1/4 and 1/4: a drift of 4 pixels of 8 moves them by -1 and 1."""
    view = torch.rand(1, 1, 3, 2, 8, 8)
    seen = transforms.transform(view, drawn(drift=[[4 / 8, 0.0]]))
    assert torch.allclose(seen[:, :, :, 0, :-1], view[:, :, :, 0, 1:], atol=1e-5)
    assert torch.allclose(seen[:, :, :, 1, 1:], view[:, :, :, 1, :-1], atol=1e-5)


def test_drawn_numbers_keep_to_their_bounds_and_follow_the_generator() -> None:
    def draw(seed: int, **changes: float) -> Draw:
        numbers = {"share": 0.75, "shift": 1.0, "scale": 1.25, "angle": 8.0, "drift": 0.5, **changes}
        return transforms.draw(np.random.default_rng(seed), 400, low=(12, 16), **numbers)

    one, again, other = draw(1), draw(1), draw(2)
    assert torch.equal(one.scale, again.scale) and not torch.equal(one.scale, other.scale)
    assert 0.9 / 12 < one.shift[:, 0].abs().max() <= 1 / 12 and 0.9 / 16 < one.shift[:, 1].abs().max() <= 1 / 16
    assert 0.79 < one.scale.min() < 0.82 and 1.22 < one.scale.max() < 1.251
    assert 7.5 < torch.rad2deg(one.angle).abs().max() <= 8.001
    assert one.drift[:, 1].abs().max() <= 0.5 / 16 + 1e-6 and one.drift.any()
    assert 240 < int(one.made.sum()) < 350 and 140 < int(one.flip.sum()) < 260
    assert not draw(1, share=0.0).made.any() and draw(1, share=1.0).made.all()


def test_only_drawn_clips_change_and_lose_their_box() -> None:
    view, box = torch.rand(2, 1, 3, 2, 8, 12), torch.tensor([[0.1, 0.1, 0.8, 0.8, 1.0]] * 2)
    how = drawn(2, shift=[[0.25, 0.0]] * 2, made=[True, False])
    seen = augment.moved(view, how)
    assert isinstance(seen, Tensor) and torch.equal(seen[1], view[1]) and not torch.equal(seen[0], view[0])
    assert torch.allclose(transforms.boxes(how, box), torch.tensor([[0.0, 0, 1, 1, 0], [0.1, 0.1, 0.8, 0.8, 1]]))
    apart = augment.moved([view[0], view[1, ..., :6]], how)  # clips as recorded differ in size
    assert torch.allclose(apart[0], seen[0]) and torch.equal(apart[1], view[1, ..., :6])


# -- degradation of high views


def test_without_blur_and_noise_the_made_view_is_the_stored_one() -> None:
    """A still clip of 48x64: the high view has 24x32, the low view 12x16; the transform is the identity."""
    planes = tuple(np.random.default_rng(0).integers(0, 256, (3, 1, 48, 64), np.uint8).repeat(3, 1))
    frames = Frames(planes=planes, colour="rgb")
    low = average.degrade(frames, (12, 16), CLEAN, 0)
    high = StoredFormat(kind="high", size=(24, 32), aspect=(3, 4)).make(frames, 0)
    view = torch.from_numpy(high).float().div(255).transpose(0, 1)[None, None]  # (1, 1, 3, T, H, W)
    seen = transforms.transform(view, drawn())
    made = from_high.degrade(seen[0, 0].transpose(0, 1), (12, 16), CLEAN)  # (T, 3, h, w)
    assert (made.mul(255) - torch.from_numpy(low).float()).abs().max() <= 1.01  # high views are rounded, too
    assert (made.mul(255) - torch.from_numpy(low).float()).abs().mean() < 0.3


def test_the_blur_is_that_of_stored_views_inside_the_picture() -> None:
    planes = tuple(np.random.default_rng(1).integers(0, 256, (3, 1, 48, 64), np.uint8))
    options = {"sigma_blur": 0.6, "sigma_noise": 0.0}
    low = torch.from_numpy(average.degrade(Frames(planes=planes, colour="rgb"), (12, 16), options, 0)).float()
    high = torch.from_numpy(np.stack(planes, 1)).float() / 255
    made = from_high.degrade(high, (12, 16), options) * 255
    assert (made - low).abs().max() <= 1.01
    plain = from_high.degrade(high, (12, 16), CLEAN) * 255
    assert (plain - low).abs().max() > 10


def test_the_noise_has_its_deviation_and_is_new_each_time() -> None:
    high = torch.full((40, 3, 24, 32), 0.5)
    torch.manual_seed(0)
    one = from_high.degrade(high, (12, 16), {"sigma_blur": 0.25, "sigma_noise": 3.0}) * 255
    other = from_high.degrade(high, (12, 16), {"sigma_blur": 0.25, "sigma_noise": 3.0}) * 255
    assert one.std().item() == pytest.approx(math.sqrt(9 + 1 / 12), rel=0.03)
    assert (one - other).std().item() == pytest.approx(math.sqrt(2 * (9 + 1 / 12)), rel=0.03)
    assert torch.equal(one, one.round()) and AVERAGE.from_high is not None


# -- flow


@pytest.mark.parametrize("moved", [(0.7, -0.5), (2.0, 1.0), (-2.5, 1.5)])
def test_flow_finds_the_displacement_of_a_texture(moved: tuple[float, float]) -> None:
    pictures = torch.cat([smooth(24, 32), smooth(24, 32, moved)], 1)  # (1, 2, 24, 32)
    found = flow.lucas_kanade(pictures)[..., 4:-4, 4:-4]
    wrong = (found - torch.tensor(moved).reshape(2, 1, 1)).square().sum(1).sqrt()
    assert wrong.median() < 0.2 and found.mean((0, 2, 3)).tolist() == pytest.approx(list(moved), abs=0.35)


def test_flow_of_a_still_clip_is_zero_and_the_last_entry_repeats() -> None:
    still = smooth(24, 32).expand(3, -1, -1, -1).unsqueeze(0)
    assert flow.flow_of(still.expand(1, 3, 4, 24, 32)).abs().max() < 1e-5
    steps = torch.stack([smooth(24, 32, (float(t), 0.0))[0, 0] for t in (0, 1, 3)])
    found = flow.flow_of(steps.expand(1, 3, 3, 24, 32))
    assert found.shape == (1, 2, 3, 24, 32) and torch.equal(found[:, :, 1], found[:, :, 2])
    assert found[0, 0, 0].median().item() == pytest.approx(1, abs=0.1)
    assert found[0, 0, 1].median().item() == pytest.approx(2, abs=0.15)
    with pytest.raises(ValueError, match="two frames"):
        flow.flow_of(torch.rand(1, 3, 1, 24, 32))


def test_the_target_is_in_low_pixels() -> None:
    """4 pixels at 48x64 are 2 at 24x32, where flow is computed, and 1 at 12x16."""
    steps = torch.stack([smooth(48, 64, (4.0 * t, 0.0))[0, 0] for t in range(3)])
    target = motion_target.target_flow(steps.expand(1, 1, 3, 3, 48, 64), (12, 16))
    assert target.shape == (1, 2, 3, 12, 16)
    assert target[0, 0].median().item() == pytest.approx(1, abs=0.1) and target[0, 1].abs().median() < 0.1


def test_the_flow_loss_by_hand() -> None:
    """Smooth L1: half the square below 1, the distance minus a half above."""
    predicted, target = torch.tensor([0.5, 3.0, 0.0, 0.0]), torch.zeros(4)
    assert motion_target.flow_loss(predicted, target).item() == pytest.approx((0.125 + 2.5) / 4)


def test_the_decoder_predicts_the_size_of_the_target() -> None:
    decoder = motion_target.FlowDecoder(8)
    assert decoder(torch.rand(2, 8, 3, 3, 4), (6, 12, 16)).shape == (2, 2, 6, 12, 16)
