"""Native backbones: the (2+1)D family, the enhancer `none`, default sizes, and combinations that are refused."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark_core.catalog import Catalog
from benchmark_core.networks.assemble import build_recognizer
from benchmark_core.networks.channels import first_convolution, with_channels
from benchmark_core.plans.budgets import at_budget, changed_from_budget
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench import ElrError
from elrbench_plugins.drop_path import DropPath, linear_in_depth
from elrbench_plugins.native3d import elr_backbones
from elrbench_plugins.native3d.native3d import SplitConv

SPECS = {spec.name: spec for spec in elr_backbones()}
every_spec = pytest.mark.parametrize("name", SPECS)


def plan_of(catalog: Catalog, **asked: object) -> Plan:
    fields = {"method": "supervised", "dataset": "puppets", "backbone": "native3d-s", "budget": "small", **asked}
    return resolve_plan(catalog, PlanRequest(**fields))  # type: ignore[arg-type]


@functools.cache
def built(name: str) -> nn.Module:
    torch.manual_seed(0)
    return SPECS[name].build(7).eval()


# -- the networks


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [("native3d-s", 21, 961_013), ("native3d-m", 21, 2_156_517), ("native3d-l", 21, 3_828_693)],
)
def test_parameter_counts(name: str, classes: int, parameters: int) -> None:
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in SPECS[name].build(classes).parameters()) == parameters


def test_the_small_one_has_the_weights_that_its_layout_implies() -> None:
    """9 I O + 3 O O for each split convolution, O I for each projection, 2 O for each normalisation."""
    pairs = ((3, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128))
    split = {(i, o): 9 * i * o + 3 * o * o + 4 * o for i, o in pairs}
    trunk = split[3, 32] + 4 * split[32, 32] + split[32, 64] + 3 * split[64, 64] + split[64, 128] + 3 * split[128, 128]
    projections = 32 * 64 + 2 * 64 + 64 * 128 + 2 * 128
    assert sum(p.numel() for p in built("native3d-s").parameters()) == trunk + projections + 128 * 7 + 7


@every_spec
@pytest.mark.parametrize(("frames", "size"), [(24, (12, 16)), (5, (6, 8)), (16, (16, 16)), (3, (32, 20)), (1, (6, 6))])
def test_stage_maps(name: str, frames: int, size: tuple[int, int]) -> None:
    network = built(name)
    view = torch.rand(2, 3, frames, *size)
    with torch.no_grad():
        maps = network.forward_features(view)
        assert len(maps) == len(SPECS[name].stages) == 3
        width = maps[0].shape[1]
        for stage, seen in enumerate(maps):
            sides = (
                -(-side // 2**stage) for side in (-(-frames // 2), *size)
            )  # rounded up; the stem halves the frames
            assert seen.shape == (2, width * 2**stage, *sides)
        features = network.pool(maps[-1])
        torch.testing.assert_close(features, maps[-1].mean((2, 3, 4)))
        assert torch.equal(network.get_classifier()(features), network(view))


def test_the_stem_may_keep_the_frames() -> None:
    whole = SPECS["native3d-s"].build(7, {"stem_stride": 1})
    assert [tuple(seen.shape[2:]) for seen in whole.forward_features(torch.rand(2, 3, 24, 12, 16))] == [
        (24, 12, 16),
        (12, 6, 8),
        (6, 3, 4),
    ]


def test_initial_weights() -> None:
    """PyTorch's are uniform in ±1/sqrt(fan-in); He's are normal with variance 2/fan-out."""
    torch.manual_seed(0)
    for init in ("uniform", "he-fan-out"):
        network = SPECS["native3d-s"].build(7, {"init": init})
        weight = network.stages[0][1].conv2[3].weight.detach()  # type: ignore[index, union-attr]
        assert weight.shape == (32, 32, 3, 1, 1)
        fan = 32 * 3
        if init == "uniform":
            assert float(weight.abs().max()) <= fan**-0.5
            assert float(weight.std()) == pytest.approx((3 * fan) ** -0.5, rel=0.05)
        else:
            assert float(weight.std()) == pytest.approx((2 / fan) ** 0.5, rel=0.05)
            assert not network.fc.bias.any()  # type: ignore[union-attr, operator]


def test_a_split_convolution_is_space_then_time() -> None:
    """A lone bright pixel in frame 2 of 5, all weights 1: 3x3 ones in space, then three frames."""
    conv = SplitConv(1, 1).eval()
    for part in conv:
        if isinstance(part, nn.Conv3d):
            nn.init.ones_(part.weight)
        if isinstance(part, nn.BatchNorm3d):
            part.eps = 0.0
    view = torch.zeros(1, 1, 5, 5, 5)
    view[0, 0, 2, 2, 2] = 1
    with torch.no_grad():
        seen = conv(view)[0, 0]
    expected = torch.zeros(5, 5, 5)
    expected[1:4, 1:4, 1:4] = 1
    assert torch.equal(seen, expected)
    conv[0].weight.data.neg_()  # negative after space: the ReLU in between leaves nothing
    with torch.no_grad():
        assert not conv(view).any()


@every_spec
def test_order_of_frames_matters(name: str) -> None:
    view = torch.rand(1, 3, 8, 12, 16)
    with torch.no_grad():
        assert not torch.allclose(built(name)(view), built(name)(view.flip(2)))


@every_spec
def test_gradients_reach_every_parameter(name: str) -> None:
    torch.manual_seed(0)
    network = SPECS[name].build(7, {"drop_path": 0.0})
    network(torch.randn(2, 3, 4, 12, 16)).square().mean().backward()
    assert not [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]


@pytest.mark.parametrize("channels", [1, 2, 7])
def test_other_numbers_of_channels(channels: int) -> None:
    network = with_channels(SPECS["native3d-s"].build(4), channels).eval()
    found = first_convolution(network, channels)
    assert found is not None and found[0] == "stem.0.0"
    assert network(torch.rand(1, channels, 4, 12, 16)).shape == (1, 4)


# -- stochastic depth


def test_the_last_branch_is_dropped_most() -> None:
    assert linear_in_depth(0.3, 6) == pytest.approx([0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
    drops = [part.drop for part in SPECS["native3d-s"].build(4).modules() if isinstance(part, DropPath)]
    assert drops == pytest.approx(linear_in_depth(0.1, 6))
    assert not any(
        p.drop for p in SPECS["native3d-s"].build(4, {"drop_path": 0.0}).modules() if isinstance(p, DropPath)
    )


def test_a_dropped_branch_is_zero_and_a_kept_one_is_scaled() -> None:
    branch, path = torch.ones(4000, 2, 1, 1, 1), DropPath(0.25)
    torch.manual_seed(0)
    seen = path(branch)
    assert seen.unique().tolist() == pytest.approx([0, 4 / 3])
    assert torch.equal(seen[:, 0], seen[:, 1])  # whole clips
    assert seen.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(path.eval()(branch), branch)


# -- enhancer and size


def test_a_native_backbone_gets_the_low_view_as_it_is(catalog: Catalog) -> None:
    plan = plan_of(catalog)
    assert (plan.enhancer, plan.size) == ("none", (12, 16))
    assert plan.sampling == SPECS["native3d-s"].sampling
    assert plan_of(catalog, degradation="average-6x8").size == (6, 8)
    assert plan_of(catalog, dataset="nagoya-fir").size == (16, 16)
    assert plan_of(catalog, dataset="tiny-puppets", size="20x16").size == (20, 16)
    recognizer = build_recognizer(
        backbone_spec=catalog.backbones["native3d-s"], enhancer_spec=catalog.enhancers["none"], classes=4, low=(12, 16),
        size=(12, 16), sampling=(2, 8),
    ).eval()  # fmt: skip
    low = torch.rand(3, 2, 3, 8, 12, 16)
    with torch.no_grad():
        seen = recognizer.trace(low)
    assert torch.equal(seen.image, low.flatten(0, 1)) and seen.logits.shape == (3, 4)
    assert [tuple(stage.shape) for stage in seen.stages][-1] == (6, 128, 1, 3, 4)


def test_clips_that_differ_in_size_are_resized_with_antialiasing(catalog: Catalog) -> None:
    enhancer = catalog.enhancers["none"].build(None, (8, 8))
    stripes = torch.tensor([0.0, 1.0]).repeat(16).expand(1, 3, 16, 32)  # finer than the target can show
    seen = enhancer(stripes)
    assert seen.shape == (1, 3, 8, 8) and seen[..., 1:-1].std() < 0.02
    assert enhancer(torch.rand(1, 3, 5, 6)).shape == (1, 3, 8, 8)


@pytest.mark.parametrize("dataset", ["puppets", "nagoya-fir", "tiny-puppets"])
def test_the_low_size_counts_as_the_budgets(catalog: Catalog, dataset: str) -> None:
    plan = plan_of(catalog, dataset=dataset, **({"size": "16x16"} if dataset == "tiny-puppets" else {}))
    assert changed_from_budget(catalog, plan) == []
    assert at_budget(catalog, plan, "smoke").size == plan.size


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ({"enhancer": "bicubic"}, ["'native3d-s' works at the low size", "not 'bicubic'", "--enhancer none"]),
        ({"method": "tinyvirat"}, ["takes no enhancer, not 'prog-dvsr-att'", "another --backbone"]),
        ({"size": "24x32"}, ["12x16 on this track, not 24x32", "remove --size"]),
        ({"degradation": "average-4x4"}, ["sides of 6 pixels or more", "4x4", "larger low size"]),
        ({"dataset": "nagoya-fir", "size": "4x4"}, ["sides of 6 pixels or more", "4x4"]),
        ({"degradation": "bicubic-14x14"}, ["'bicubic-14x14'", "--degradation average-14x14"]),
        ({"dataset": "tiny-puppets"}, ["clips of 'tiny-puppets' may differ in size", "--size 16x16"]),
        ({"modality": "flow", "degradation": "average-6x8"}, ["12 pixels", "6x8", "rgb+flow-early"]),
        ({"backbone": "resnet18", "enhancer": "none"}, ["'none' leaves", "12x16", "'resnet18' gets 96x128"]),
        ({"backbone": "resnet18", "size": "6x8"}, ["--size 6x8", "8 to 9999"]),
    ],
)
def test_what_cannot_work_is_one_line(catalog: Catalog, asked: dict[str, object], named: list[str]) -> None:
    with pytest.raises(ElrError) as caught:
        plan_of(catalog, **asked)
    assert "\n" not in str(caught.value) and [text for text in named if text not in str(caught.value)] == []


def test_an_oracle_may_see_larger_views(catalog: Catalog) -> None:
    assert plan_of(catalog, method="teacher", size="24x32").size == (24, 32)


def test_none_works_with_any_backbone_at_the_low_size(catalog: Catalog) -> None:
    plan = plan_of(catalog, backbone="resnet18", enhancer="none", size="12x16")
    assert (plan.enhancer, plan.size) == ("none", (12, 16))


@pytest.mark.parametrize("degradation", ["average-12x16", "average-6x8"])
def test_a_run_trains_at_the_low_size(toy_catalog: Catalog, degradation: str, tmp_path: Path) -> None:
    settings = ("method.batch=12", "method.epochs=1")
    asked = {"dataset": "toy", "budget": "smoke", "sampling": "1x6", "settings": settings, "degradation": degradation}
    plan = plan_of(toy_catalog, **asked)
    context = RunContext(out=tmp_path / "run", cache=tmp_path, reporter=Silent(), device="cpu")
    scores = run(plan, toy_catalog, context).record["scores"]
    assert plan.enhancer == "none" and scores["top1"]["n"] == 12
