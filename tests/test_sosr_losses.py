"""The losses of SoSR and ToSR, and what they are computed from, each against a case worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from elrbench_plugins.duf.losses import error, siamese_terms
from elrbench_plugins.rrdb.discriminator import Discriminator
from elrbench_plugins.rrdb.losses import adversarial_loss, discriminator_loss, motion_weight, pixel_error
from elrbench_plugins.video_pairs.motion import flow_between, warped
from elrbench_plugins.video_pairs.patches import cut, extent


def image(*values: float) -> Tensor:
    """One row of pixels, equal in three colours: (1, 3, 1, W)."""
    return torch.tensor(values).reshape(1, 1, 1, -1).expand(1, 3, 1, -1)


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


# -- SoSR, eq. 1


def test_a_weight_is_the_length_of_the_flow() -> None:
    flow = torch.tensor([[3.0, 0.0, -1.0], [4.0, 0.0, 0.0]]).reshape(1, 2, 1, 3)
    assert motion_weight(flow).flatten().tolist() == [5.0, 0.0, 1.0]
    assert motion_weight(flow, power=2.0).flatten().tolist() == pytest.approx([25.0, 0.0, 1.0])
    assert motion_weight(flow, base=0.5).flatten().tolist() == [5.5, 0.5, 1.5]


def test_the_weighted_error_by_hand() -> None:
    """Errors 0.5, 0.2 and 0 with weights 2, 1 and 7: 1/3 (2 * 0.25 + 1 * 0.04)."""
    made, high = image(0.5, 0.4, 0.3).clone().requires_grad_(), image(0.0, 0.2, 0.3)
    weight = torch.tensor([2.0, 1.0, 7.0]).reshape(1, 1, 1, 3)
    loss = pixel_error(made, high, "mse", weight)
    assert loss.item() == pytest.approx((2 * 0.25 + 0.04) / 3)
    assert pixel_error(made, high, "mse").item() == pytest.approx((0.25 + 0.04) / 3)
    assert pixel_error(made, high, "l1", weight).item() == pytest.approx((2 * 0.5 + 0.2) / 3)
    loss.backward()
    assert made.grad is not None
    # 2 w e / N of each of three colours, N = 3 pixels x 3 colours
    assert made.grad[0, 0, 0].tolist() == pytest.approx([2 * 2 * 0.5 / 9, 2 * 0.2 / 9, 0.0])


def test_pixels_that_do_not_move_have_no_gradient() -> None:
    made = torch.rand(1, 3, 2, 2, requires_grad=True)
    weight = torch.tensor([[0.0, 1.0], [0.0, 0.0]]).reshape(1, 1, 2, 2)
    pixel_error(made, torch.zeros(1, 3, 2, 2), "mse", weight).backward()
    assert made.grad is not None
    assert made.grad[..., 0, 1].abs().min() > 0
    assert not made.grad[..., 0, 0].any() and not made.grad[..., 1, :].any()


# -- ESRGAN, eq. 1 and 2


def test_relativistic_losses_by_hand() -> None:
    """Real 1 and 3, fake 0 and 2: means 2 and 1."""
    real, fake = torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [2.0]])
    ahead = [0.0, 2.0]  # real minus the mean fake
    behind = [-2.0, 0.0]  # fake minus the mean real
    truth = sum(softplus(-x) for x in ahead) / 2 + sum(softplus(x) for x in behind) / 2
    lie = sum(softplus(x) for x in ahead) / 2 + sum(softplus(-x) for x in behind) / 2
    assert discriminator_loss(real, fake).item() == pytest.approx(truth / 2)
    assert adversarial_loss(real, fake).item() == pytest.approx(lie / 2)


def test_the_discriminators_parameters_are_esrgans() -> None:
    convolutions = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    convolutions += [(512, 512), (512, 512)]
    weights = sum(a * b * (16 if number % 2 else 9) for number, (a, b) in enumerate(convolutions))
    norms = 2 * sum(b for _, b in convolutions[1:])
    count = weights + 64 + norms + (512 * 16 * 100 + 100) + 101
    network = Discriminator((128, 128))
    assert sum(each.numel() for each in network.parameters()) == count == 14_499_401


@pytest.mark.parametrize("size", [(128, 128), (48, 64), (16, 20), (4, 4), (2, 3)])
def test_it_takes_images_of_any_size(size: tuple[int, int]) -> None:
    network = Discriminator(size)
    scores = network(torch.rand(2, 3, *size))
    assert scores.shape == (2, 1)
    scores.sum().backward()
    assert all(each.grad is not None for each in network.parameters())


# -- ToSR, eq. 3


def test_a_frame_is_moved_by_whole_pixels() -> None:
    """A flow of two pixels to the right: the result's pixel is the frame's pixel two to its right."""
    frame = torch.rand(2, 3, 4, 6)
    flow = torch.zeros(2, 2, 4, 6)
    flow[:, 0] = 2.0
    moved = warped(frame, flow)
    torch.testing.assert_close(moved[..., :4], frame[..., 2:], atol=1e-5, rtol=0)
    torch.testing.assert_close(moved[..., 5], frame[..., 5], atol=1e-5, rtol=0)  # the edge outside the frame
    flow[:, 0], flow[:, 1] = 0.0, -1.0  # upwards
    torch.testing.assert_close(warped(frame, flow)[..., 1:, :], frame[..., :-1, :], atol=1e-5, rtol=0)


def test_half_a_pixel_is_interpolated() -> None:
    flow = torch.zeros(1, 2, 1, 3)
    flow[:, 0] = 0.5
    assert warped(image(0.0, 1.0, 0.4), flow)[0, 0, 0].tolist() == pytest.approx([0.5, 0.7, 0.4], abs=1e-6)


def test_hubers_error_by_hand() -> None:
    """Below delta d^2 / 2, above delta (d - delta / 2)."""
    found = error(image(0.005, 0.11), image(0.0, 0.0), 0.01).item()
    assert found == pytest.approx((0.005**2 / 2 + 0.01 * (0.11 - 0.005)) / 2)


def test_the_siamese_terms_by_hand() -> None:
    """One pixel of motion to the right; the second frame as made is 0.1 too dark throughout."""
    high = (image(0.2, 0.6, 0.6, 0.6), image(0.2, 0.2, 0.6, 0.6))
    flow = torch.zeros(1, 2, 1, 4)
    flow[:, 0] = 1.0
    made = (image(0.2, 0.6, 0.6, 0.5), image(0.1, 0.1, 0.5, 0.5))
    terms = siamese_terms(made, high, flow, 1.0)  # all errors are below delta
    assert terms["reconstruction"].item() == pytest.approx(0.1**2 / 8 + 0.1**2 / 2)
    # moved back: 0.1, 0.5, 0.5, 0.5
    assert terms["warp_sr"].item() == pytest.approx(3 * 0.1**2 / 8, rel=1e-4)
    assert terms["warp_hr"].item() == pytest.approx(0.1**2 / 2, rel=1e-4)


def test_gradients_reach_both_frames_and_no_flow() -> None:
    made = (torch.rand(1, 3, 4, 4, requires_grad=True), torch.rand(1, 3, 4, 4, requires_grad=True))
    high = (torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4))
    terms = siamese_terms(made, high, torch.zeros(1, 2, 4, 4), 0.01)
    terms["warp_sr"].backward(retain_graph=True)
    assert all(each.grad is not None and each.grad.abs().sum() > 0 for each in made)
    first, made[0].grad = made[0].grad, None
    terms["warp_hr"].backward()
    assert first is not None and made[0].grad is None  # the high frame stands in for the first


# -- motion and patches


def test_flow_of_a_shifted_picture_is_the_shift() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, 40, 48, generator=generator)
    smooth = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
    before, after = smooth[..., 4:-4, 4:-4], smooth[..., 4:-4, 3:-5]  # one pixel to the right
    flow = flow_between(before, after)
    assert flow.shape == (1, 2, 32, 40) and not flow.requires_grad
    inner = flow[..., 8:-8, 8:-8]
    assert inner[:, 0].median().item() == pytest.approx(1.0, abs=0.1)
    assert inner[:, 1].median().item() == pytest.approx(0.0, abs=0.1)


def test_patches_show_the_same_region() -> None:
    low = torch.arange(2 * 4 * 6).float().reshape(2, 1, 4, 6)
    high = low.repeat_interleave(4, -1).repeat_interleave(4, -2)
    places = [(1, 2), (0, 3)]
    small, large = cut(low, places, (2, 3)), cut(high, places, (2, 3), 4)
    assert small[0, 0].tolist() == [[8.0, 9, 10], [14, 15, 16]] and small[1, 0, 0].tolist() == [27.0, 28, 29]
    assert torch.equal(large, small.repeat_interleave(4, -1).repeat_interleave(4, -2))
    assert (extent(12, 32), extent(60, 32), extent(12, 0)) == (12, 32, 12)
