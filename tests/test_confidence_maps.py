"""The confidence maps without parameters: brightness and gradients by hand and by OpenCV, and what they let through."""

from __future__ import annotations

import functools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from benchmark_core.errors import RunFailed
from elrbench_plugins.attention_transfer import losses, phase
from elrbench_plugins.attention_transfer.confidence import straight_through_threshold, video_score
from elrbench_plugins.attention_transfer.phase import out_of_range, refuse_empty
from elrbench_plugins.cstat.confidence import ConfidenceMap
from elrbench_plugins.cstat.difference_map import Difference, brightness
from elrbench_plugins.cstat.fit import confidence_of
from elrbench_plugins.cstat.gradient_map import Gradient, blur, blur_size, dilation_size, gradient
from elrbench_plugins.cstat.losses import cosine_distance
from elrbench_plugins.cstat.mlp_map import Mlp
from elrbench_plugins.cstat.options import CONFIDENCE

ONES = torch.ones(1, 2)
spatial_distances = functools.partial(losses.spatial_distances, distance=cosine_distance)
compare = functools.partial(phase.compare, distance=cosine_distance)
DEFAULTS = {key: option.default for key, option in CONFIDENCE.items()}


def greys(*rows: list[float]) -> Tensor:
    """One image (1, 3, h, w) of grey levels of 255."""
    return (torch.tensor(rows) / 255).expand(1, 3, -1, -1)


def options(kind: str, **changed: object) -> dict[str, object]:
    return {**DEFAULTS, "confidence": kind, "confidence_normalise": "max", "over_time": "keep",
            "tat_after_softmax": False, **changed}  # fmt: skip


# -- brightness


def test_brightness_is_bt601s_luma_or_the_mean() -> None:
    primaries = torch.eye(3).reshape(1, 3, 1, 3)  # red, green, blue side by side
    assert brightness(primaries).flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])
    assert brightness(primaries, "mean").flatten().tolist() == pytest.approx([1 / 3] * 3)
    assert brightness(torch.ones(2, 3, 4, 5, 6)).shape == (2, 4, 5, 6)


def test_brightness_of_flow_is_its_length() -> None:
    assert brightness(torch.tensor([[[[-0.6]], [[0.8]]]])).item() == pytest.approx(1.0)


# -- difference


def test_difference_of_less_than_24_levels_is_none() -> None:
    high, low = greys([100.0, 100.0, 100.0, 100.0]), greys([100.0, 123.0, 76.0, 148.0])
    difference = Difference().difference(high, low)
    assert (difference * 255).flatten().tolist() == pytest.approx([0, 0, 24, 48], abs=1e-3)
    confidence = Difference()(high, low)
    assert confidence.flatten().tolist() == pytest.approx([1, 1, 0.5, 0], abs=1e-5)
    assert Difference(same=25)(high, low).flatten().tolist() == pytest.approx([1, 1, 1, 0], abs=1e-5)


@pytest.mark.parametrize("measure", [Difference(), Gradient()])
def test_equal_images_are_trusted_throughout(measure: ConfidenceMap) -> None:
    image = torch.rand(2, 3, 16, 20)
    assert torch.equal(measure(image, image), torch.ones(2, 16, 20))


def test_a_loss_is_a_share_of_its_intervals_largest_and_not_of_a_frames() -> None:
    high = torch.zeros(2, 3, 2, 1, 2)  # (N, 3, T, H, W)
    low = high.clone()
    low[0, :, 0, 0, 0], low[0, :, 1, 0, 1], low[1, :, 0, 0, 0] = 100 / 255, 200 / 255, 100 / 255
    loss = 1 - Difference()(high, low)
    assert loss.shape == (2, 2, 1, 2)
    assert loss.flatten(1).tolist() == [pytest.approx([0.5, 0, 0, 1]), pytest.approx([1, 0, 0, 0])]


# -- gradient


def step(height: int, width: int, at: int) -> Tensor:
    """Black, and white from column `at` on: (1, 3, H, W)."""
    return (torch.arange(width) >= at).float().expand(1, 3, height, width).contiguous()


@pytest.mark.parametrize("operator", ["sobel", "scharr"])
def test_gradient_of_a_ramp_is_its_slope(operator: str) -> None:
    down, across = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="ij")
    slope = gradient((0.03 * across + 0.04 * down).reshape(1, 1, 8, 9), operator)
    assert torch.allclose(slope[..., 1:-1, 1:-1], torch.tensor(0.05), atol=1e-6)


def test_an_edge_that_is_lost_is_lost_on_both_of_its_sides() -> None:
    high, low = step(8, 12, 6), torch.full((1, 3, 8, 12), 0.5)
    lost = Gradient(sigma=0, dilations=0).difference(high, low)
    columns = [0.0] * 5 + [0.5, 0.5] + [0.0] * 5
    assert torch.allclose(lost, torch.tensor(columns).expand(1, 8, 12), atol=1e-6)
    widened = Gradient(sigma=0).difference(high, low)  # at 8 rows: 3x3
    assert torch.allclose(widened, torch.tensor([0.0] * 4 + [0.5] * 4 + [0.0] * 4).expand(1, 8, 12), atol=1e-6)
    confidence = Gradient(sigma=0)(high, low)
    assert confidence[0, 0].tolist() == pytest.approx([1] * 4 + [0] * 4 + [1] * 4)


def test_an_edge_that_is_kept_is_no_loss_however_bright_it_is() -> None:
    high = step(16, 24, 12)
    assert Gradient()(high, high * 0.5 + 0.25)[0, 0, :6].min() == 1  # far from it
    brighter = high * 0.8 + 0.2
    assert Gradient(dilations=0).difference(high * 0.8, brighter).max() < 1e-6


def test_ten_dilations_are_one_maximum_over_21() -> None:
    torch.manual_seed(0)
    frames = torch.rand(1, 3, 256, 24)
    wide = plain = Gradient(dilations=0).edges(frames).unsqueeze(1)
    for _ in range(10):
        wide = max_pool2d(wide, 3, stride=1, padding=1)
    assert not torch.equal(wide, plain)
    assert torch.equal(Gradient().edges(frames), wide.squeeze(1))


def test_kernels_scale_with_the_views_height() -> None:
    assert [dilation_size(height) for height in (256, 96, 48, 24, 8, 512)] == [21, 9, 5, 3, 3, 41]
    assert dilation_size(256, 0) == 1
    assert [blur_size(height / 256) for height in (256, 96, 48, 8)] == [7, 5, 3, 3]
    assert all(dilation_size(height) % 2 == 1 for height in range(8, 300))


def test_blur_by_hand() -> None:
    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    seen = blur(point, 1.0)[0, 0]
    assert seen.sum().item() == pytest.approx(1)
    assert (seen[7, 8] / seen[7, 7]).item() == pytest.approx(math.exp(-0.5))
    assert (seen[9, 8] / seen[7, 7]).item() == pytest.approx(math.exp(-2.5))
    assert seen[7, 11] == 0  # three sigmas on either side
    assert torch.equal(blur(point, 0.0), point)
    assert torch.allclose(blur(torch.full((1, 1, 8, 8), 0.3), 1.0), torch.tensor(0.3))


def test_blurring_the_image_or_its_gradient() -> None:
    """Of a line one pixel wide, at sigma 1. Its gradient is 1/2 on either side, in all 1."""
    line = torch.zeros(1, 3, 256, 40)
    line[..., 20] = 1
    taps = [math.exp(-(k**2) / 2) for k in range(-3, 4)]
    after = Gradient(dilations=0, blurred="gradient").edges(line)[0, 128]
    assert after.sum().item() == pytest.approx(1, abs=1e-5) and after[20] > 0.2
    before = Gradient(dilations=0, blurred="image").edges(line)[0, 128]
    assert before.sum().item() == pytest.approx((taps[3] + taps[4]) / sum(taps), abs=1e-5) and before[20] < 1e-6


def test_gradients_of_several_frames_are_each_frames() -> None:
    torch.manual_seed(1)
    high, low = torch.rand(2, 3, 4, 16, 20), torch.rand(2, 3, 4, 16, 20)
    together = Gradient().difference(high, low)
    assert together.shape == (2, 4, 16, 20)
    for frame in range(4):
        alone = Gradient().difference(high[:, :, frame], low[:, :, frame])
        assert torch.allclose(together[:, frame], alone, atol=1e-6)


@pytest.mark.parametrize("blurred", ["image", "gradient"])
def test_gradient_map_is_opencvs(blurred: str) -> None:
    cv2 = pytest.importorskip("cv2")
    picture = np.random.default_rng(0).random((256, 64, 3), dtype=np.float32)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    size = blur_size(1.0)
    if blurred == "image":
        grey = cv2.GaussianBlur(grey, (size, size), 1.0)
    edges = cv2.magnitude(*(cv2.Sobel(grey, cv2.CV_32F, *order, ksize=3, scale=1 / 8) for order in ((1, 0), (0, 1))))
    if blurred == "gradient":
        edges = cv2.GaussianBlur(edges, (size, size), 1.0)
    edges = cv2.dilate(edges, None, iterations=10)
    ours = Gradient(blurred=blurred).edges(torch.from_numpy(picture).permute(2, 0, 1).unsqueeze(0))
    assert np.allclose(ours[0].numpy(), edges, atol=1e-5)


# -- what they let through


@pytest.mark.parametrize("kind", ["difference", "gradient"])
def test_a_lost_region_contributes_nothing(kind: str) -> None:
    """The right half was a pattern and is flat: what the student attends to there has no part in the loss."""
    torch.manual_seed(2)
    high = torch.full((2, 3, 16, 32), 0.5)
    high[..., 16:] = (torch.arange(16) // 2 % 2).float()  # bars two pixels wide
    low = high.clone()
    low[..., 16:] = 0.5
    measure = confidence_of(options(kind, gradient_sigma=0.0))
    assert measure is not None
    kept = straight_through_threshold(measure(high, low), 0.5)
    assert (kept[..., 17:] == 0).all() and (kept[..., :14] == 1).all()

    student = torch.rand(2, 4, 4, 8, requires_grad=True)  # a cell is 4x4 pixels
    teacher = torch.rand(2, 4, 4, 8)
    loss = spatial_distances([student], [teacher], ONES, kept)
    loss.sum().backward()
    assert student.grad is not None
    assert (student.grad[..., 5:] == 0).all() and student.grad[..., :3].abs().max() > 0
    other = student.detach().clone()
    other[..., 5:] = 100 * torch.rand(2, 4, 4, 3)
    assert torch.equal(spatial_distances([other], [teacher], ONES, kept), loss.detach())


def test_an_interval_that_is_lost_throughout_transfers_nothing() -> None:
    high, low = torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
    low[0] = 0.5
    confidence = Difference()(high, low)
    assert (confidence[0] == 0).all() and (confidence[1] == 1).all()
    assert video_score(confidence, ONES, 0.5).tolist() == [0.5]
    student, teacher = torch.rand(2, 4, 2, 2), torch.rand(2, 4, 2, 2)
    whole = spatial_distances([student[1:]], [teacher[1:]], torch.ones(1, 1))
    assert torch.allclose(
        spatial_distances([student], [teacher], ONES, straight_through_threshold(confidence, 0.5)), whole / 2
    )


class Toy3d(nn.Module):
    """Two stage maps of views with T frames, of which the second halves them; taps of no consequence."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.one, self.two = nn.Conv3d(3, 4, 3, (1, 2, 2), 1), nn.Conv3d(4, 6, 3, 2, 1)

    def trace(self, image: Tensor) -> SimpleNamespace:
        one = self.one(image).relu()
        two = self.two(one).relu()
        head_outputs = {"fc1": two.mean((2, 3, 4)).reshape(1, -1), "fc2": two.mean((1, 2, 3, 4)).reshape(1, -1)}
        return SimpleNamespace(image=image, stages=[one, two], head_outputs=head_outputs)


@pytest.mark.parametrize("over_time", ["keep", "mean"])
@pytest.mark.parametrize("kind", ["difference", "gradient", "mlp"])
def test_3d_views_train_the_student_and_a_map_with_parameters(kind: str, over_time: str) -> None:
    torch.manual_seed(4)
    high = torch.rand(2, 3, 4, 16, 20)
    low = high.clone()
    low[..., 10:] = 0.5
    asked = options(kind, over_time=over_time)
    measure = confidence_of(asked)
    assert isinstance(measure, {"difference": Difference, "gradient": Gradient, "mlp": Mlp}[kind])
    student, teacher = Toy3d(0), Toy3d(1).requires_grad_(False)
    gaps = compare(student.trace(low), teacher.trace(high), ONES, measure, asked)  # type: ignore[arg-type]
    assert gaps.spatial.shape == (2,) and gaps.statistics["confidence_area"] > 0
    (gaps.spatial.sum() + gaps.temporal.sum()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in student.parameters())
    assert all(p.grad is None for p in teacher.parameters())
    assert bool(list(measure.parameters())) is (kind == "mlp")
    assert all(p.grad is not None for p in measure.parameters())


def test_the_extractor_takes_flow() -> None:
    sees = SimpleNamespace(channels=2)
    measure = confidence_of(options("mlp"), sees)  # type: ignore[arg-type]
    assert measure is not None and measure(torch.rand(2, 2, 3, 8, 8), torch.rand(2, 2, 3, 8, 8)).shape == (2, 3, 8, 8)


# -- maps that let nothing through, or tell nothing


def test_an_empty_map_is_named_with_what_to_do() -> None:
    rows = [{"epoch": 0, "confidence": 0.4123, "confidence_area": 0.0}, {"epoch": 1, "confidence_area": 0.5}]
    asked = {"confidence": "mlp", "confidence_threshold": 0.9}
    with pytest.raises(RunFailed) as caught:
        refuse_empty(rows, asked)
    for part in ("method.confidence_threshold=0.9", "first epoch", "mlp", "0.412", "lower", "confidence_normalise"):
        assert part in str(caught.value), part


@pytest.mark.parametrize("rows", [(), ({"epoch": 0, "ce": 1.0},), ({"epoch": 0, "confidence_area": 1e-6},)])
def test_a_map_that_is_not_empty_passes(rows: tuple[dict[str, float], ...]) -> None:
    refuse_empty(rows, {})


def test_a_map_that_left_its_bounds_is_noted() -> None:
    assert out_of_range([0.3, 0.0501, 0.9499]) == ""
    for part in ("confidence map", "(0.05, 0.95)", "2 of 3 epochs", "0.02 in the last"):
        assert part in out_of_range([0.3, 0.05, 0.02]), part
    assert "in 1 of 2 epochs (0.5 in the last)" in out_of_range([0.97, 0.5])
