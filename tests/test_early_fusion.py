"""Early fusion: its names, the parts worked out by hand, the networks that take them, and a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark_core.catalog import Catalog, Section
from benchmark_core.clips.modality import (
    MODALITIES,
    channels,
    check_modality,
    input_channels,
    kind,
    part_channels,
    streams,
)
from benchmark_core.cost.macs import count_macs
from benchmark_core.cost.structure import describe_plan
from benchmark_core.networks.assemble import build_backbone, recognizer_of
from benchmark_core.networks.early_inputs import SCALE, EarlyInputs
from benchmark_core.networks.recognizer import Recognizer
from benchmark_core.plans.combinations import check_combination
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.runner import run
from benchmark_core.specs import BackboneSpec
from benchmark_core.weights_file import add_weights
from elrbench import ElrError

ALL = "rgb+dev+diff+flow-early"
MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)


class Tiny(torch.nn.Module):
    """Two convolutions of clips and a classifier."""

    num_features = 8

    def __init__(self, classes: int, options: object) -> None:
        super().__init__()
        self.stem = torch.nn.Conv3d(3, 6, 3, stride=(1, 2, 2), padding=1)
        self.second = torch.nn.Conv3d(6, 8, 3, stride=2, padding=1)
        self.fc = torch.nn.Linear(8, classes)

    def forward_features(self, x: Tensor) -> list[Tensor]:
        first = self.stem(x).relu()
        return [first, self.second(first).relu()]

    def pool(self, stage: Tensor) -> Tensor:
        return stage.mean((2, 3, 4))

    def get_classifier(self) -> torch.nn.Module:
        return self.fc


TINY = BackboneSpec(
    name="tiny", summary="two convolutions", factory=Tiny, dims=3, stages=("stem", "second"), smallest=8
)


@pytest.fixture
def catalog(toy_catalog: Catalog) -> Catalog:
    """The toy catalog with a small backbone of clips."""
    section = toy_catalog.backbones
    owner = toy_catalog.owners["backbone", "toynet"]
    return dataclasses.replace(
        toy_catalog,
        backbones=Section(section.kind, {**{name: section[name] for name in section}, "tiny": TINY}),
        owners={**toy_catalog.owners, ("backbone", "tiny"): owner},
    )


def asked(catalog: Catalog, **fields: object) -> Plan:
    usual = {
        "method": "supervised",
        "dataset": "toy",
        "backbone": "tiny",
        "budget": "smoke",
        "size": "32x32",
        "sampling": "clip-4",
        "weights": "scratch",
        "modality": ALL,
    }
    return resolve_plan(catalog, PlanRequest(**{**usual, "settings": ("method.epochs=1", "method.batch=12"), **fields}))


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


# -- networks


def test_the_recognizer_takes_pictures_and_its_backbone_all_parts(catalog: Catalog) -> None:
    plan = asked(catalog)
    components = components_of(catalog, plan)
    network = recognizer_of(plan, components).eval()
    assert isinstance(network, Recognizer) and (network.channels, network.input_channels) == (3, 11)
    low = torch.rand(2, 1, 3, 4, 12, 16)
    with torch.no_grad():
        trace = network.trace(low)
        assert trace.image.shape == (2, 3, 4, 32, 32)
        parts = network.backbone_input(trace.image)
        assert torch.allclose(parts[:, :3], (trace.image - network.mean) / network.std)
        logits = network.head(
            network.backbone.pool(network.backbone.forward_features(parts)[-1])[:, None], torch.ones(2, 1)
        )
        assert torch.allclose(trace.logits, logits, atol=1e-5) and torch.allclose(network(low), logits, atol=1e-5)


@pytest.mark.parametrize("modality", ["rgb", "flow"])
def test_other_modalities_build_the_same_networks_from_the_same_random_numbers(modality: str) -> None:
    torch.manual_seed(3)
    stem = Tiny(4, {}).stem.weight.detach()
    state = torch.random.get_rng_state()
    torch.manual_seed(3)
    built, _ = build_backbone(TINY, 4, modality=modality)
    assert torch.equal(torch.random.get_rng_state(), state)
    expected = stem if modality == "rgb" else stem.mean(1, keepdim=True).repeat_interleave(2, 1)
    assert torch.equal(built.stem.weight, expected)


def test_a_fresh_first_convolution_is_drawn_for_its_channels() -> None:
    torch.manual_seed(3)
    built, said = build_backbone(TINY, 4, modality=ALL)
    stem = built.stem.weight.detach()
    assert said == "scratch" and stem.shape[1] == 11 == built.stem.in_channels
    bound = (11 * 27) ** -0.5  # PyTorch's default: uniform in ± 1 / sqrt(inputs of a filter)
    assert 0.98 * bound < stem.abs().max() <= bound and 0.98 < stem.std() / (bound / 3**0.5) < 1.02


@pytest.mark.parametrize(("modality", "kept"), [(ALL, True), ("dev+rgb-early", False)])
def test_loaded_weights_keep_red_green_and_blue_if_the_pictures_come_first(
    catalog: Catalog, tmp_path: Path, modality: str, kept: bool
) -> None:
    colour = Tiny(4, {})
    torch.save(colour.state_dict(), tmp_path / "colour.pth")
    spec, name = with_file(catalog, tmp_path / "colour.pth")
    built, said = build_backbone(spec, 4, weights=name, modality=modality)
    assert "first convolution 6x3x3x3x3 -> 6x" in said
    stem, old = built.stem.weight.detach(), colour.stem.weight.detach()
    rest = stem[:, 3:] if kept else stem
    assert not kept or torch.equal(stem[:, :3], old)
    assert torch.equal(rest, old.mean(1, keepdim=True).expand_as(rest))

    torch.save(built.state_dict(), tmp_path / "early.pth")
    spec, name = with_file(catalog, tmp_path / "early.pth")
    again, said = build_backbone(spec, 4, weights=name, modality=modality)
    assert torch.equal(again.stem.weight, stem) and "->" not in said

    named = dataclasses.replace(TINY, weights={"named": lambda network: network.load_state_dict(colour.state_dict())})
    assert torch.equal(build_backbone(named, 4, weights="named", modality=modality)[0].stem.weight, stem)


def with_file(catalog: Catalog, path: Path) -> tuple[BackboneSpec, str]:
    """Return the backbone with the file among its weights, and the file's name."""
    found, name = add_weights(catalog, str(path))
    return found.backbones["tiny"], name


def test_the_cost_includes_the_parts(catalog: Catalog) -> None:
    plan = asked(catalog, sampling="clip-24")
    components = components_of(catalog, plan)
    describe = describe_plan(plan, components)
    assert describe["modality"] == ALL and describe["sampling"] == "1x24"
    module = EarlyInputs(("rgb", "dev", "diff", "flow"), (12, 16), mean=MEAN, std=STD)
    network = Recognizer(
        enhancer=torch.nn.Identity(),
        backbone=Still(),
        head=Still(),
        dims=3,
        mean=MEAN,
        std=STD,
        frames=24,
        early=module,
        input_channels=11,
    )
    macs = count_macs(network, torch.rand(1, 1, 3, 24, 12, 16))
    assert macs.clip == 5 * 23 * (12 * 16 * 16 + 12 * 16 * 12)  # two matrix products for each of five averages
    assert macs.clip < 0.01 * 0.2e9 and sum(macs.extras.values()) < 0.01 * 0.2e9
    assert not macs.uncounted


class Still(torch.nn.Module):
    """A backbone and a head that compute next to nothing."""

    def forward_features(self, x: Tensor) -> list[Tensor]:
        return [x]

    def pool(self, stage: Tensor) -> Tensor:
        return stage[:, :, 0, 0, 0]

    def forward(self, features: Tensor, mask: Tensor) -> Tensor:
        return features[:, 0]


# -- plans


@pytest.mark.parametrize(
    "fields", [{"backbone": "toynet", "sampling": "4x1"}, {"sampling": "clip-1"}, {"sampling": "4x1"}]
)
def test_parts_over_time_need_frames(catalog: Catalog, fields: dict[str, str]) -> None:
    with pytest.raises(ElrError, match="compares frames.* use a 3D --backbone"):
        asked(catalog, **fields)
    assert asked(catalog, modality="grey-early", **fields).modality == "grey-early"


def test_a_method_that_reads_one_input_refuses_early_fusion(catalog: Catalog) -> None:
    plan = asked(catalog)
    components = components_of(catalog, plan)
    method = dataclasses.replace(components.method, needs=("single-input",))
    with pytest.raises(ElrError, match="method 'supervised' reads one input, .* and not the parts of rgb"):
        check_combination(plan, dataclasses.replace(components, method=method))


@pytest.mark.parametrize("method", ["cstat", "stat", "strong-kd", "purwanto:sa", "kd", "teacher"])
def test_methods_take_early_fusion(catalog: Catalog, tmp_path: Path, method: str) -> None:
    """A few steps of every stage, on noise."""
    from benchmark_core.runs.time_estimate import estimate_times
    from benchmark_core.training.keys import StageInputs

    owners = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
    given = StageInputs(clips="c", low="l", high="h", crop="after", owners=owners)
    plan = asked(catalog, method=method, settings=("method.batch=2",))
    times = estimate_times(
        plan,
        components_of(catalog, plan),
        clips=4,
        inputs=given,
        device=torch.device("cpu"),
        cache=tmp_path,
    )
    assert times and all(seconds > 0 for seconds in times.values())


def test_a_run_is_trained_scored_and_loaded(catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(catalog)
    context = RunContext(data=None, out=tmp_path / "out", cache=tmp_path / "cache", reporter=Silent())
    record = run(plan, catalog, context).record
    assert record["plan"]["modality"] == ALL and record["plan"]["sampling"] == "clip-4"
    loaded = load_run(tmp_path / "out", read_record(find_record(tmp_path / "out")), catalog)
    found = predict_clips(
        loaded,
        "test",
        data=None,
        cache=tmp_path / "cache",
        bad_clips="fail",
        device=torch.device("cpu"),
        reporter=Silent(),
    )
    assert found.targets is not None
    hits = float((found.logits.argmax(1) == found.targets).mean())
    assert hits == pytest.approx(record["scores"][record["primary"]]["value"])
