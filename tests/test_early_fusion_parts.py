"""The parts of early fusion: their names, and their values worked out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmark_core.clips.modality import (
    MODALITIES,
    channels,
    check_modality,
    input_channels,
    kind,
    part_channels,
    streams,
)
from benchmark_core.networks.early_inputs import SCALE, EarlyInputs
from elrbench import ElrError

ALL = "rgb+dev+diff+flow-early"
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)


def inputs(parts: str, image: Tensor) -> Tensor:
    """Return the parts, without their scales."""
    names = parts.split("+")
    found = EarlyInputs(names, image.shape[-2:], mean=MEAN, std=STD)(image)
    scales = [torch.full((input_channels(f"{parts}-early"),), 1.0)]
    first = 0
    for name in names:
        count = part_channels(name, tuple(names))
        scales[0][first : first + count] = SCALE.get(name, 1.0)
        first += count
    return found * scales[0].reshape(1, -1, *[1] * (image.ndim - 2))


# -- names


@pytest.mark.parametrize("name", [*MODALITIES, ALL, "grey+dev-early", "dev-early", "flow+rgb-early", "grey-early"])
def test_known_modalities(name: str) -> None:
    assert check_modality(name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rgb+dev", "unknown modality 'rgb\\+dev'. Did you mean 'rgb\\+dev-early'"),
        ("rgb+dif-early", "unknown part of modality 'rgb\\+dif-early': 'dif'. Did you mean 'diff'"),
        ("rgb+dev+dev-early", "names a part twice"),
        ("rgb+grey-early", "both rgb and grey"),
        ("rgb-early", "the same as rgb"),
        ("-early", "unknown part"),
        ("rgb+flow:tvl1-early", "unknown part"),
    ],
)
def test_other_modalities_are_refused_in_one_line(name: str, message: str) -> None:
    with pytest.raises(ElrError, match=message) as caught:
        check_modality(name)
    assert "\n" not in str(caught.value)


def test_an_early_fusion_is_one_stream_of_pictures() -> None:
    assert streams(ALL) == (ALL,) and kind(ALL) == "rgb" and channels(ALL) == 3
    assert [input_channels(name) for name in (ALL, "grey+dev+diff+flow-early", "flow-early")] == [11, 5, 2]
    assert [input_channels(name) for name in ("rgb", "flow", "flow:tvl1")] == [3, 2, 2]


# -- parts


def test_colours_grey_deviation_and_difference_by_hand() -> None:
    image = torch.zeros(1, 3, 3, 2, 2)
    image[0, :, 0], image[0, :, 1], image[0, :, 2] = 0.2, 0.5, 0.8
    image[0, 0] += 0.1  # red
    found = inputs("rgb+dev+diff", image)[0, :, :, 0, 0]  # (9, T)
    assert torch.allclose(found[0], torch.tensor([(0.3 - 0.5) / 0.25, (0.6 - 0.5) / 0.25, (0.9 - 0.5) / 0.25]))
    assert torch.allclose(found[2], torch.tensor([(0.2 - 0.3) / 0.1, (0.5 - 0.3) / 0.1, (0.8 - 0.3) / 0.1]))
    assert torch.allclose(found[3:6], torch.tensor([-0.3, 0, 0.3]).expand(3, 3), atol=1e-6)
    assert torch.allclose(found[6:], torch.tensor([0.3, 0.3, 0.3]).expand(3, 3), atol=1e-6)
    found = inputs("diff+grey", image)[0, :, :, 0, 0]
    assert torch.allclose(found[0], torch.tensor([0.3, 0.3, 0.3]), atol=1e-6)
    mean, std = (sum(w * x for w, x in zip((0.299, 0.587, 0.114), each, strict=True)) for each in (MEAN, STD))
    assert torch.allclose(found[1], torch.tensor([0.2299, 0.5299, 0.8299]).sub(mean).div(std), atol=1e-5)


def test_contrast_is_the_luminance_above_the_mean_of_the_clip() -> None:
    image = torch.zeros(2, 3, 2, 1, 2)
    image[0, :, 1] = 0.4  # frame 1 of clip 0; its mean is 0.2
    image[1] = 0.7
    found = inputs("contrast+dev", image)
    assert found.shape[1] == 2  # the deviation is of the luminance, too
    torch.testing.assert_close(found[0, 0, :, 0, 0], torch.tensor([-0.2, 0.2]))
    torch.testing.assert_close(found[1, 0], torch.zeros(2, 1, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(inputs("contrast", image + 0.1)[:, 0], found[:, 0], atol=1e-5, rtol=0)
    assert inputs("rgb+contrast+dev", image).shape[1] == 7


def test_pictures_without_time_have_their_grey() -> None:
    image = torch.rand(2, 3, 8, 8)
    assert torch.allclose(inputs("grey", image)[:, :, None], inputs("grey", image[:, :, None]))


def ramp(size: tuple[int, int], slope: tuple[float, float], step: tuple[float, float], frames: int = 3) -> Tensor:
    """Return grey pictures (1, 3, T, h, w): a plane with a slope in x and y that moves by `step` a frame."""
    down, across = torch.meshgrid(*(torch.arange(float(side)) for side in size), indexing="ij")
    moved = [slope[0] * (across - step[0] * t) + slope[1] * (down - step[1] * t) for t in range(frames)]
    return (torch.stack(moved) + 0.3).expand(1, 3, frames, *size)


def test_flow_of_a_plane_by_hand() -> None:
    """Ix = 0.05, Iy = 0, It = -0.05: u = Ix² / (Ix² + λ) = 0.0025 / 0.0028, and v = 0."""
    flow = inputs("flow", ramp((13, 13), (0.05, 0.0), (1.0, 0.0)))[0]  # (2, T, h, w)
    assert torch.allclose(flow[0, :, :, 4:9], torch.tensor(0.0025 / 0.0028), atol=1e-4)
    assert flow[1].abs().max() < 1e-5


def waves(step: tuple[float, float], frames: int = 5, size: tuple[int, int] = (12, 16), scale: float = 1.0) -> Tensor:
    """Return grey pictures (1, 3, T, h, w) of smooth waves that move by `step` pixels a frame, right and down."""
    down, across = torch.meshgrid(*(torch.arange(float(side)) / scale for side in size), indexing="ij")
    times = torch.arange(float(frames)).reshape(-1, 1, 1) / scale
    x, y = across - step[0] * times, down - step[1] * times
    grey = 0.5 + 0.2 * torch.sin(0.5 * x + 0.3 * y) + 0.2 * torch.cos(0.5 * y - 0.3 * x)
    return grey.expand(1, 3, frames, *size)


@pytest.mark.parametrize("step", [(0.5, 0.0), (0.0, -0.4), (-0.6, 0.3), (1.0, 0.5), (0.0, 0.0)])
def test_flow_of_a_moving_pattern_is_its_displacement(step: tuple[float, float]) -> None:
    flow = inputs("flow", waves(step))[0, :, :, 2:-2, 2:-2]
    for component, expected in zip(flow, step, strict=True):
        assert abs(component.mean() - expected) < 0.06 and (component - expected).abs().max() < 0.25


def test_flow_of_large_pictures_is_in_pixels_of_the_grid() -> None:
    """96x128 has a grid of 12x16: 4 pixels are half a pixel of the grid. 50x66 is not a multiple of it."""
    for size, scale in (((96, 128), 8.0), ((50, 66), 4.0)):
        flow = inputs("flow", waves((scale / 2, 0.0), size=size, scale=scale))[0]
        assert flow.shape == (2, 5, *size)
        inner = flow[:, :, size[0] // 5 : -size[0] // 5, size[1] // 5 : -size[1] // 5]
        assert abs(inner[0].mean() - 0.5) < 0.06 and abs(inner[1].mean()) < 0.06


def test_a_mirrored_clip_has_mirrored_parts_and_turned_flow() -> None:
    image = waves((0.5, 0.2))
    plain, mirrored = inputs("rgb+dev+diff+flow", image), inputs("rgb+dev+diff+flow", image.flip(-1)).flip(-1)
    mirrored[:, 9] *= -1
    assert torch.allclose(plain, mirrored, atol=1e-5)


def test_parts_are_differentiable_and_float32_under_autocast() -> None:
    image = torch.rand(2, 3, 4, 12, 16, requires_grad=True)
    module = EarlyInputs(("grey", "dev", "diff", "flow"), (12, 16), mean=MEAN, std=STD)
    module(image).square().mean().backward()
    assert image.grad is not None and bool(image.grad.isfinite().all()) and image.grad.abs().max() > 0
    with torch.no_grad():
        expected = module(image)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(module(image), expected)
    assert not module.state_dict()  # nothing to load: older weights files fit


@pytest.mark.slow
def test_parts_have_no_shapes_that_depend_on_data() -> None:
    """`torch.export`, which ONNX starts from, takes them with any number of clips."""
    image = torch.rand(2, 3, 4, 12, 16)
    module = EarlyInputs(("grey", "dev", "diff", "flow"), (12, 16), mean=MEAN, std=STD)
    exported = torch.export.export(module, (image,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.testing.assert_close(exported.module()(image), module(image))
    assert exported.module()(image[:1]).shape == (1, 5, 4, 12, 16)
