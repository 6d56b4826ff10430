"""R(2+1)D in two layouts: public names, exact sizes, the shapes of stage maps, and what a view costs."""

import functools
import json
import re
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.networks.assemble import build_recognizer
from elrbench_plugins.r2plus1d import elr_backbones, torchvision_layout
from elrbench_plugins.r2plus1d.r2plus1d import r2plus1d18, r2plus1d34

SPECS = {spec.name: spec for spec in elr_backbones()}
every_spec = pytest.mark.parametrize("name", SPECS)

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")

# mmaction2: mmaction/models/common/conv2plus1d.py, mmcv's ConvModule around it, ResNet3d, I3DHead.
SPLIT = (
    "conv.conv_s.weight",
    *(f"conv.bn_s.{name}" for name in NORM),
    "conv.conv_t.weight",
    *(f"bn.{n}" for n in NORM),
)
MMACTION = {
    "stem": [f"backbone.conv1.{name}" for name in SPLIT],
    "block": [f"conv{number}.{name}" for number in (1, 2) for name in SPLIT],
    "shortcut": [f"downsample.{name}" for name in SPLIT],
    "classifier": ["cls_head.fc_cls.weight", "cls_head.fc_cls.bias"],
}
MMACTION_SHAPES = {
    "backbone.conv1.conv.conv_s.weight": (83, 3, 1, 7, 7),
    "backbone.conv1.conv.bn_s.running_var": (83,),
    "backbone.conv1.conv.conv_t.weight": (64, 83, 3, 1, 1),
    "backbone.conv1.bn.weight": (64,),
    "backbone.layer1.0.conv1.conv.conv_s.weight": (144, 64, 1, 3, 3),
    "backbone.layer2.0.conv1.conv.conv_s.weight": (230, 64, 1, 3, 3),
    "backbone.layer2.0.conv2.conv.conv_s.weight": (288, 128, 1, 3, 3),
    "backbone.layer2.0.downsample.conv.conv_s.weight": (54, 64, 1, 1, 1),
    "backbone.layer2.0.downsample.conv.conv_t.weight": (128, 54, 1, 1, 1),
    "backbone.layer4.0.conv1.conv.conv_s.weight": (921, 256, 1, 3, 3),
    "backbone.layer4.0.downsample.bn.running_mean": (512,),
    "backbone.layer4.1.conv2.conv.conv_t.weight": (512, 1152, 3, 1, 1),
    "cls_head.fc_cls.weight": (400, 512),
}

# torchvision: torchvision/models/video/resnet.py.
HALVES = ("0.0.weight", *(f"0.1.{name}" for name in NORM), "0.3.weight", *(f"1.{name}" for name in NORM))
TORCHVISION = {
    "stem": [
        "stem.0.weight",
        *(f"stem.1.{name}" for name in NORM),
        "stem.3.weight",
        *(f"stem.4.{name}" for name in NORM),
    ],
    "block": [f"conv{number}.{name}" for number in (1, 2) for name in HALVES],
    "shortcut": ["downsample.0.weight", *(f"downsample.1.{name}" for name in NORM)],
    "classifier": ["fc.weight", "fc.bias"],
}
TORCHVISION_SHAPES = {
    "stem.0.weight": (45, 3, 1, 7, 7),
    "stem.3.weight": (64, 45, 3, 1, 1),
    "layer1.0.conv1.0.0.weight": (144, 64, 1, 3, 3),
    "layer2.0.conv1.0.0.weight": (230, 64, 1, 3, 3),
    "layer2.0.conv2.0.0.weight": (230, 128, 1, 3, 3),
    "layer2.0.downsample.0.weight": (128, 64, 1, 1, 1),
    "layer4.0.conv2.0.1.weight": (921,),
    "layer4.1.conv2.0.1.running_mean": (1152,),
    "layer4.1.conv2.0.3.weight": (512, 1152, 3, 1, 1),
    "fc.weight": (400, 512),
}


def whole(names: Mapping[str, list[str]], prefix: str, depths: tuple[int, ...]) -> set[str]:
    """Every name of a network with `depths[i]` blocks in stage i + 1; the first of stages 2 to 4 has a shortcut."""
    blocks = [
        f"{prefix}layer{stage}.{block}.{name}"
        for stage, depth in enumerate(depths, 1)
        for block in range(depth)
        for name in (*names["block"], *(names["shortcut"] if stage > 1 and block == 0 else ()))
    ]
    return {*names["stem"], *blocks, *names["classifier"]}


@pytest.mark.parametrize(
    ("factory", "names", "prefix", "depths", "shapes"),
    [
        (r2plus1d18, MMACTION, "backbone.", (2, 2, 2, 2), MMACTION_SHAPES),
        (r2plus1d34, MMACTION, "backbone.", (3, 4, 6, 3), MMACTION_SHAPES),
        (torchvision_layout.r2plus1d18, TORCHVISION, "", (2, 2, 2, 2), TORCHVISION_SHAPES),
    ],
    ids=SPECS,
)
def test_names_and_shapes_are_the_public_ones(factory, names, prefix, depths, shapes):
    with torch.device("meta"):
        state: dict[str, Tensor] = factory(400).state_dict()
    assert set(state) == whole(names, prefix, depths)
    assert {key: tuple(state[key].shape) for key in shapes} == shapes


@pytest.mark.parametrize(
    ("factory", "classes", "parameters"),
    [
        (r2plus1d18, 400, 33_432_945),
        (r2plus1d18, 101, 33_279_558),
        (r2plus1d34, 400, 63_759_281),
        (torchvision_layout.r2plus1d18, 400, 31_505_325),
        (torchvision_layout.r2plus1d18, 101, 31_351_938),
    ],
)
def test_parameter_counts(factory, classes, parameters):
    with torch.device("meta"):
        assert sum(parameter.numel() for parameter in factory(classes).parameters()) == parameters


def test_normalisation_is_that_of_the_checkpoints_training():
    """mmaction2 sets epsilon to 1e-3 but for the layer between space and time, which keeps PyTorch's."""
    every = {name: part.eps for name, part in built("r2plus1d-18").named_modules() if isinstance(part, nn.BatchNorm3d)}
    assert {eps for name, eps in every.items() if name.endswith(".bn")} == {1e-3}
    assert {eps for name, eps in every.items() if name.endswith(".bn_s")} == {1e-5}
    public = built("r2plus1d-18-tv").modules()
    assert {part.eps for part in public if isinstance(part, nn.BatchNorm3d)} == {1e-5}


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return SPECS[name].build(7)


@functools.cache
def built(name: str) -> nn.Module:
    """One for the tests that only look."""
    return build(name).eval()


def rounded_up(length: int, halvings: int) -> int:
    for _ in range(halvings):
        length = -(-length // 2)
    return length


@every_spec
@pytest.mark.parametrize(("frames", "size"), [(5, (48, 64)), (8, (33, 50))])
def test_stage_maps(name, frames, size):
    network = built(name)
    first = 1 if name.endswith("tv") else 2  # the maximum after mmaction2's stem halves once more
    with torch.no_grad():
        view = torch.rand(2, 3, frames, *size)
        maps = network.forward_features(view)
        assert len(maps) == len(SPECS[name].stages)
        for stage, seen in enumerate(maps):
            sides = (rounded_up(side, first + stage) for side in size)
            assert seen.shape == (2, 64 * 2**stage, rounded_up(frames, stage), *sides)
        features = network.pool(maps[-1])
        assert features.shape == (2, network.num_features)
        torch.testing.assert_close(features, maps[-1].mean((2, 3, 4)))
        assert torch.equal(network.get_classifier()(features), network(view))


@every_spec
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 16, 31, 32])
def test_any_number_of_frames_at_the_smallest_size(name, frames):
    side = SPECS[name].smallest
    network = built(name)
    with torch.no_grad():
        logits = network(torch.rand(1, 3, frames, side, side))
    assert logits.shape == (1, 7) and bool(logits.isfinite().all())


@every_spec
def test_order_of_frames_matters(name):
    network = built(name)
    view = torch.rand(1, 3, 5, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(network(view), network(view.flip(2)))


@every_spec
def test_gradients_reach_every_parameter(name):
    network = build(name)
    network(torch.randn(2, 3, 2, 32, 32)).square().mean().backward()
    assert not [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]


@every_spec
def test_same_seed_same_weights(name):
    assert all(map(torch.equal, build(name).parameters(), built(name).parameters()))


@every_spec
def test_initialisation_keeps_the_backward_variance(name):
    network = built(name)
    state = network.state_dict()
    space, time = (
        ("layer3.1.conv1.0.0", "layer3.1.conv1.0.3")
        if name.endswith("tv")
        else ("backbone.layer3.1.conv1.conv.conv_s", "backbone.layer3.1.conv1.conv.conv_t")
    )
    for key, taps in ((space, 9), (time, 3)):
        weight = state[f"{key}.weight"]
        assert weight.std().item() == pytest.approx((2 / (weight.shape[0] * taps)) ** 0.5, rel=0.02)
    classifier = network.get_classifier()
    linear = classifier[-1] if isinstance(classifier, nn.Sequential) else classifier
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.1) and not linear.bias.any()


def test_dropout_is_in_the_classifier_of_one_layout():
    assert built("r2plus1d-18").get_classifier()[0].p == 0.5
    with torch.device("meta"):
        assert SPECS["r2plus1d-34"].build(5, {"dropout": 0.2}).get_classifier()[0].p == 0.2
    assert not any(isinstance(part, nn.Dropout) for part in built("r2plus1d-18-tv").modules())


def test_a_recognizer_sees_intervals_of_five_frames(catalog: Catalog):
    spec = catalog.backbones["r2plus1d-18"]
    enhancer = catalog.enhancers["bilinear"]
    model = build_recognizer(backbone_spec=spec, enhancer_spec=enhancer, classes=4, size=(48, 64), sampling=(2, 5))
    with torch.no_grad():
        trace = model.eval().trace(torch.rand(3, 2, 3, 5, 12, 16))
    assert trace.logits.shape == (3, 4) and trace.features.shape == (3, 2, 512)
    assert [tuple(stage.shape[:3]) for stage in trace.stages] == [(6, 64, 5), (6, 128, 3), (6, 256, 2), (6, 512, 1)]


def test_the_figure_that_cstat_prints_is_this_sum() -> None:
    """28.99 G (section IV.B): products, normalisation at two an element, pooling, and ReLU but within 2D-1D pairs."""
    found: dict[str, int] = {}

    def enhance_and_crop(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        elements = {nn.BatchNorm3d: 2 * out.numel(), nn.ReLU: out.numel(), nn.Linear: 400 * 512}
        if isinstance(module, nn.Conv3d):
            elements[nn.Conv3d] = out.numel() * module.weight[0].numel()
        elements |= dict.fromkeys((nn.MaxPool3d, nn.AdaptiveAvgPool3d), inputs[0].numel())
        kind = type(module)
        found[kind.__name__] = found.get(kind.__name__, 0) + elements[kind]

    net = r2plus1d18(400).to("meta").eval()
    kinds = (nn.Conv3d, nn.BatchNorm3d, nn.ReLU, nn.Linear, nn.MaxPool3d, nn.AdaptiveAvgPool3d)
    for name, module in net.named_modules():
        if isinstance(module, kinds) and not name.endswith("conv.relu"):
            module.register_forward_hook(enhance_and_crop)
    net(torch.empty(1, 3, 5, 256, 340, device="meta"))
    assert (found["Conv3d"], found["BatchNorm3d"]) == (28_866_420_992, 100_469_952)
    assert sum(found.values()) == 28_991_045_056


@pytest.mark.slow
def test_cost_prints_the_papers_figures(capsys, monkeypatch, catalog: Catalog):
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): catalog)
    asked = ("--classes", "101", "--sampling", "1x5", "--size", "256x340", "--no-latency", "--json")
    with pytest.raises(SystemExit) as stopped:
        main(["cost", "--backbone", "r2plus1d-18", *asked])
    assert stopped.value.code in (0, None)
    record = json.loads(capsys.readouterr().out)
    assert record["params"]["total"] == 33_279_558
    assert record["macs"]["view"] == 28_966_987_712  # CSTAT prints 28.99 G
    assert record["uncounted"] == {} and record["understated"] == []


def test_no_spec_names_weights_that_it_does_not_bring():
    assert all(spec.default_weights == "scratch" and not spec.weights for spec in SPECS.values())
    assert all(re.search(r"Tran et al\..*2018", spec.citation) for spec in SPECS.values())
