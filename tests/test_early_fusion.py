"""Early fusion: the networks that take its parts, plans, what it costs, and a run."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from benchmark_core.catalog import Catalog, Section
from benchmark_core.cost.macs import count_macs
from benchmark_core.cost.structure import describe_plan
from benchmark_core.networks.assemble import build_backbone, recognizer_of
from benchmark_core.networks.early_inputs import EarlyInputs
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
