"""What I3D, the 3D residual networks and C3D have in common: conformance, public files, flow, any view, and costs."""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from benchmark_core import catalog as catalog_module
from benchmark_core.catalog import Catalog
from benchmark_core.cli import main
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_backbone
from benchmark_core.networks.channels import with_channels
from benchmark_core.specs import BackboneSpec
from benchmark_core.weights_file import add_weights
from elrbench_plugins.c3d import elr_backbones as c3ds
from elrbench_plugins.commands.check.component_checks import ComponentChecks
from elrbench_plugins.commands.check.minimal import with_minimal_components
from elrbench_plugins.i3d import elr_backbones as i3ds
from elrbench_plugins.resnet3d import elr_backbones as resnets

SPECS = {spec.name: spec for spec in (*i3ds(), *resnets(), *c3ds())}
every_spec = pytest.mark.parametrize("name", SPECS)
State = dict[str, Tensor]


@functools.lru_cache(1)
def built(name: str) -> nn.Module:
    """One for the tests that only look."""
    torch.manual_seed(0)
    return SPECS[name].build(7).eval()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Emptied at once: what these networks leave is large."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


# -- the contract


@pytest.mark.slow
@every_spec
def test_conformance(name, folder, catalog: Catalog):
    """What `elrbench check` asks, one run from clips to a record among it; a failing check raises.

    The run of the wide network is left out: it is that of resnet3d-50 with more channels, and writes gigabytes.
    """
    checks = ComponentChecks(with_minimal_components(catalog), folder, {}).steps(catalog.backbones[name])
    made = list(itertools.islice(checks, 7 if name == "wide-resnet3d-50" else None))  # a check is made after its name
    assert made[1:] == [
        "builds", "returns the right shapes", "gradients reach every parameter", "restores its state",
        "resolves to a plan", "trains in a smoke run",
    ]  # fmt: skip


@pytest.mark.parametrize("view", [(1, 8, 8), (2, 32, 8), (7, 9, 21), (16, 40, 40), (33, 16, 16)], ids=str)
@every_spec
def test_any_number_of_frames_at_any_size(name, view):
    network = built(name)
    with torch.no_grad():
        maps = network.forward_features(torch.rand(2, 3, *view))
        features = network.pool(maps[-1])
        assert len(maps) == len(SPECS[name].stages) == 4 and features.shape == (2, network.num_features)
        logits = network.get_classifier()(features)
        assert logits.shape == (2, 7) and bool(logits.isfinite().all())
        many = network.get_classifier()(torch.stack([features, features], 1))  # a head's (B, K, F)
        torch.testing.assert_close(many, torch.stack([logits, logits], 1))


@every_spec
def test_order_of_frames_matters(name):
    view = 50 * torch.randn(1, 3, 16, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, turned = (built(name).forward_features(clip)[-1] for clip in (view, view.flip(2)))
    assert not torch.allclose(maps, turned.flip(2), rtol=1e-2)


@pytest.mark.parametrize(
    ("name", "stem", "parameters"),
    [
        ("i3d", "Conv3d_1a_7x7.conv3d.weight", -21_952),  # 64 x 7 x 7 x 7
        ("resnet3d-18", "conv1.weight", -21_952),
        ("c3d", "conv1.weight", -1_728),  # 64 x 3 x 3 x 3
    ],
)
def test_flow_takes_two_channels_in_the_first_convolution(name, stem, parameters):
    with torch.device("meta"):
        colour, flow = SPECS[name].build(400), with_channels(SPECS[name].build(400), 2)
        assert flow(torch.empty(1, 2, 16, 112, 112)).shape == (1, 400)
    before, after = (network.state_dict() for network in (colour, flow))
    assert [key for key in before if before[key].shape != after[key].shape] == [stem]
    counts = [sum(parameter.numel() for parameter in network.parameters()) for network in (colour, flow)]
    assert counts[1] - counts[0] == parameters


def test_no_spec_names_weights_that_it_does_not_bring():
    for spec in SPECS.values():
        assert spec.default_weights == "scratch" and not spec.weights and spec.dims == 3
        assert spec.sampling == "windows-16" and spec.citation[-4:].isdigit()


# -- public files


@functools.lru_cache(1)
def public(name: str, classes: int, channels: int = 3) -> State:
    """Tensors by the public names, each of one value of its own, in half precision to be small in a file."""
    with torch.device("meta"):
        state = with_channels(SPECS[name].build(classes), channels).state_dict()
    return {
        key: torch.zeros(()) if value.ndim == 0 else torch.full(value.shape, 0.5 + number / 2048, dtype=torch.half)
        for number, (key, value) in enumerate(state.items())
    }


def start(catalog: Catalog, name: str, path: Path, classes: int, modality: str = "rgb") -> tuple[nn.Module, str]:
    """As a plan with `--weights PATH` does."""
    placed, named = add_weights(catalog, str(path))
    spec: BackboneSpec = placed.backbones[name]
    network, said = build_backbone(spec, classes, weights=named, modality=modality)
    return network, said.removeprefix(f"{named} ")


def holds(network: nn.Module, state: State, but: tuple[str, ...] = ()) -> bool:
    own = network.state_dict()
    kept = {key: value for key, value in state.items() if not key.startswith(but or "-")}
    return all(torch.equal(own[key], value.to(own[key].dtype)) for key, value in kept.items())


@every_spec
def test_a_public_checkpoint_of_as_many_classes(name, folder, catalog: Catalog):
    """As their authors' scripts leave it: parallel, beside the optimiser's state, and before batches were counted."""
    state = public(name, 400)
    bare = {f"module.{key}": value for key, value in state.items() if value.ndim}
    path = folder / "public.pth"
    torch.save({"epoch": 200, "arch": name, "state_dict": bare, "optimizer": {"state": {}, "param_groups": []}}, path)
    network, said = start(catalog, name, path, 400)
    counts = len(state) - len(bare)
    assert said == f"({len(bare)} of {len(state)} tensors{f'; {counts} counts of batches start at 0' * (counts > 0)})"
    assert holds(network, {key.removeprefix("module."): value for key, value in bare.items()})


@every_spec
def test_a_public_checkpoint_of_other_classes(name, folder, catalog: Catalog):
    state = public(name, 400)
    torch.save(state, folder / "public.pt")
    network, said = start(catalog, name, folder / "public.pt", 26)
    assert said == f"({len(state) - 2} of {len(state)} tensors; classifier fresh: 400 -> 26 classes)"
    (classifier,) = {key.rpartition(".")[0] for key, value in network.state_dict().items() if value.shape[:1] == (26,)}
    assert holds(network, state, but=(classifier,))
    assert network.state_dict()[f"{classifier}.weight"].std() > 0


@pytest.mark.parametrize("name", ["i3d", "resnet3d-18", "c3d"])
def test_a_public_checkpoint_as_safetensors(name, folder, catalog: Catalog):
    state = public(name, 5)
    save_file(state, folder / "public.safetensors")
    network, said = start(catalog, name, folder / "public.safetensors", 5)
    assert said == f"({len(state)} of {len(state)} tensors)"
    assert holds(network, state)


def test_i3ds_flow_checkpoint_is_taken_as_it_is(folder, catalog: Catalog):
    state = public("i3d", 400, channels=2)
    torch.save(state, folder / "flow.pth")
    network, said = start(catalog, "i3d", folder / "flow.pth", 400, modality="flow")
    assert said == f"({len(state)} of {len(state)} tensors)"
    assert holds(network, state) and network.Conv3d_1a_7x7.conv3d.in_channels == 2


def test_projections_of_the_other_shortcut_are_refused(folder, catalog: Catalog):
    torch.save(public("resnet3d-18", 400), folder / "r3d18.pth")
    placed, named = add_weights(catalog, str(folder / "r3d18.pth"))
    with pytest.raises(ElrError, match=r"18 tensors are not in the network \(first: layer2.0.downsample.0.weight\)"):
        build_backbone(placed.backbones["resnet3d-18"], 400, {"shortcut": "A"}, weights=named)
    del placed
    bare = {key: value for key, value in public("resnet3d-18", 400).items() if ".downsample." not in key}
    torch.save(bare, folder / "r3d18-a.pth")
    placed, named = add_weights(catalog, str(folder / "r3d18-a.pth"))
    network, said = build_backbone(placed.backbones["resnet3d-18"], 400, {"shortcut": "A"}, weights=named)
    assert said == f"{named} ({len(bare)} of {len(bare)} tensors)" and holds(network, bare)


@pytest.mark.parametrize(
    ("asked", "given", "says"),
    [
        ("i3d", "c3d", "missing (first: Conv3d_1a_7x7.conv3d.weight)"),
        ("c3d", "i3d", "missing (first: conv1.weight)"),
        ("resnet3d-34", "resnet3d-18", "missing (first: layer1.2.conv1.weight)"),
        ("resnet3d-50", "wide-resnet3d-50", "(first: layer1.0.conv1.weight, 128x64x1x1x1, expected 64x64x1x1x1)"),
        ("wide-resnet3d-50", "resnet3d-50", "(first: layer1.0.conv1.weight, 64x64x1x1x1, expected 128x64x1x1x1)"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(asked, given, says, folder, catalog: Catalog):
    path = folder / "other.pth"
    torch.save(public(given, 400), path)
    with pytest.raises(ElrError) as refused:
        start(catalog, asked, path, 400)
    assert all(text in str(refused.value) for text in (str(path), f"backbone '{asked}'", says))
    assert "\n" not in str(refused.value)


# -- costs


def multiply_adds(network: nn.Module, view: tuple[int, ...]) -> int:
    """Of convolutions and linear layers on one view (3, T, H, W), by the shapes of what goes through."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output.numel() * module.weight[0].numel()  # type: ignore[union-attr, index]

    layers = [part for part in network.modules() if isinstance(part, nn.Conv3d | nn.Linear)]
    hooks = [layer.register_forward_hook(count) for layer in layers]
    network(torch.empty(1, *view))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize(
    ("name", "view", "classes", "convolutions"),
    [
        ("i3d", (3, 64, 224, 224), 400, 111_150_276_608),
        ("i3d", (3, 16, 112, 112), 26, 6_982_550_528),
        ("resnet3d-50", (3, 16, 112, 112), 400, 10_069_311_488),
        ("wide-resnet3d-50", (3, 16, 112, 112), 400, 26_239_664_128),
        ("c3d", (3, 16, 112, 112), 487, 38_548_959_232),
    ],
)
def test_multiply_adds_of_convolutions(name, view, classes, convolutions):
    with torch.device("meta"):
        assert multiply_adds(SPECS[name].build(classes).eval(), view) == convolutions


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "classes", "parameters", "macs"),
    [
        ("i3d", "26", 12_313_914, 6_993_743_488),
        ("resnet3d-18", "400", 33_409_104, 8_318_985_216),
        ("resnet3d-34", "400", 63_718_736, 12_710_118_400),
        ("resnet3d-50", "400", 47_018_576, 10_103_256_064),
        ("wide-resnet3d-50", "400", 158_248_272, 26_282_571_776),
        ("c3d", "487", 79_991_015, 38_548_959_232),
    ],
)
def test_cost(name, classes, parameters, macs, capsys, monkeypatch, catalog: Catalog):
    """Of 16 frames of 112x112, normalisation included; nothing is left uncounted."""
    monkeypatch.setattr(catalog_module, "load_catalog", lambda extra=(): catalog)
    asked = ("--classes", classes, "--sampling", "1x16", "--size", "112x112", "--no-latency", "--json")
    with pytest.raises(SystemExit) as stopped:
        main(["cost", "--backbone", name, *asked])
    assert stopped.value.code in (0, None)
    record = json.loads(capsys.readouterr().out)
    assert record["params"]["total"] == parameters and record["macs"]["view"] == macs
    assert record["uncounted"] == {} and record["understated"] == []
    with torch.device("meta"):
        convolutions = multiply_adds(SPECS[name].build(int(classes)).eval(), (3, 16, 112, 112))
    assert 0.99 < convolutions / macs <= 1
