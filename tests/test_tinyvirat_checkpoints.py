"""Checkpoints as TinyVIRAT's public code writes them: enhancers with and without attention branch, and I3D."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from calling import Call, caller
from test_dvsr_network import public_names
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.networks.assemble import build_backbone, load_enhancer
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.specs import EnhancerSpec
from benchmark_core.weights_file import WeightsFile, add_enhancer_weights, digest_of_bytes
from elrbench import ElrError
from elrbench_plugins.dvsr import elr_enhancers
from elrbench_plugins.dvsr.enhancer import Attended, SuperResolution
from elrbench_plugins.dvsr.network import Attention, Dvsr
from elrbench_plugins.i3d import elr_backbones as i3d_backbones
from elrbench_plugins.i3d.i3d import I3d, i3d
from elrbench_plugins.resnet3d import elr_backbones as resnet3d_backbones

State = dict[str, Tensor]
SPECS: dict[str, EnhancerSpec] = {spec.name: spec for spec in elr_enhancers()}
(I3D,) = i3d_backbones()
WHOLE = {"scale": 0, "native_input": "by-size"}
LOW = (4, 6)


def public_networks(scale: int, seed: int = 3) -> tuple[Dvsr, Attention]:
    torch.manual_seed(seed)
    network, attention = Dvsr(scale), Attention(scale)
    for module in attention.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval(), attention.eval()


def written(folder: Path, state: State, *, key: str = "G", prefix: str = "", name: str = "chk_best.pth.tar") -> Path:
    """As NetworkWrapper and the training scripts of UgurDemir/Tiny-VIRAT save it: weights, optimiser, epoch."""
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.ones(2)
    optimiser = torch.optim.Adam([parameter], lr=2e-4, betas=(0.5, 0.9))
    optimiser.step()
    model = {prefix + inner: value for inner, value in state.items()}
    plain = {key: {"model": model, "optimizer": optimiser.state_dict()}, "epoch": 101, "manuelSeed": None, "acc": 0.5}
    torch.save(plain, folder / name)
    return folder / name


def file_of(path: Path) -> WeightsFile:
    return WeightsFile(path=path, digest=digest_of_bytes(path.read_bytes()))


def loaded(name: str, scale: int, path: Path) -> tuple[Any, str]:
    spec = EnhancerSpec(**{**vars(SPECS[name]), "files": {"file:x@0": file_of(path)}})
    torch.manual_seed(11)
    size = (LOW[0] * scale, LOW[1] * scale)
    module = spec.build(LOW, size, WHOLE).eval()
    return module, load_enhancer(spec, module, LOW, size, "file:x@0")


@pytest.mark.parametrize("scale", [4, 8])
@pytest.mark.parametrize("branch", [True, False])
@pytest.mark.parametrize("name", ["dvsr", "prog-dvsr", "prog-dvsr-att"])
def test_the_authors_layout_loads_bit_for_bit(tmp_path: Path, name: str, branch: bool, scale: int) -> None:
    network, attention = public_networks(scale)
    state = {**network.state_dict(), **(attention.state_dict() if branch else {})}
    assert {key for key in public_names(scale) if branch or not key.startswith("saliency_dec.")} == state.keys()
    module, said = loaded(name, scale, written(tmp_path, state, prefix="module." if branch else ""))

    sr: SuperResolution = module.super_resolution if isinstance(module, Attended) else module
    low = torch.rand(1, 3, 16, *LOW, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        expected, features = network.with_features(low * 2 - 1)
        assert torch.equal(module(low), ((expected + 1) / 2).clamp(0, 1))
        if isinstance(module, Attended) and branch:
            assert torch.equal(module.attention(low), attention(features))
    assert torch.equal(sr.network(scale).convin.conv_spatial.weight, network.convin.conv_spatial.weight)
    assert ("saliency_dec is only in the" in said) is (branch is not isinstance(module, Attended))
    counts = said.partition("(")[2].split(" tensors")[0].split(" of ")
    assert counts[0] == str(len(state) - (len(attention.state_dict()) if branch and name != "prog-dvsr-att" else 0))


def test_a_missing_branch_keeps_its_initial_values(tmp_path: Path) -> None:
    network, _ = public_networks(8)
    module, _ = loaded("prog-dvsr-att", 8, written(tmp_path, network.state_dict()))
    torch.manual_seed(11)
    fresh = SPECS["prog-dvsr-att"].build(LOW, (32, 48), WHOLE)
    assert isinstance(fresh, Attended)
    expected = fresh.attentions.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in module.attentions.state_dict().items())


def test_half_a_branch_another_scale_and_another_network_are_refused(tmp_path: Path) -> None:
    network, attention = public_networks(8)
    half = {**network.state_dict(), **attention.state_dict()}
    half.pop("saliency_dec.2.conv_spatial.bias")
    with pytest.raises(ElrError, match=r"1 of 144 tensors are missing \(first: saliency_dec.2.conv_spatial.bias\)"):
        loaded("prog-dvsr-att", 8, written(tmp_path, half))
    other, _ = public_networks(4)
    with pytest.raises(ElrError, match=r"enhancer 'prog-dvsr' from 4x6 to 32x48: .* missing .*another scale"):
        loaded("prog-dvsr", 8, written(tmp_path, other.state_dict()))
    g6 = {key.replace("res_hall.0", "res_hall.rrdb1"): value for key, value in network.state_dict().items()}
    with pytest.raises(ElrError, match=r"missing \(first: res_hall.0.RDB1.conv1.conv_spatial.weight\)"):
        loaded("dvsr", 8, written(tmp_path, g6))


def test_plans_without_a_file_keep_their_digest(catalog: Catalog, tmp_path: Path) -> None:
    fields = {"method": "supervised", "dataset": "puppets", "degradation": "bicubic-14x14", "size": "112x112"}
    request = PlanRequest(**fields, enhancer="prog-dvsr", backbone="resnet3d-18", budget="small")
    plan = resolve_plan(catalog, request)
    assert "enhancer.weights" not in plan.settings and components_of(catalog, plan).needs_high
    path = written(tmp_path, public_networks(8)[0].state_dict(), name="chk_prog_sr_scale3_best.pth.tar")
    named, name = add_enhancer_weights(catalog, str(path))
    assert name.startswith("file:chk_prog_sr_scale3_best.pth@")
    given = resolve_plan(named, PlanRequest(**{**vars(request), "enhancer_weights": name}))
    assert given.digest != plan.digest and not components_of(named, given).needs_high


@pytest.fixture
def call(catalog: Catalog, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> Call:
    """`call("run", …)` -> (exit code, stdout, stderr)."""
    return caller(catalog, capsys, monkeypatch)


def test_natively_low_clips_need_one_scale(call: Call, tmp_path: Path) -> None:
    path = str(written(tmp_path, public_networks(8)[0].state_dict()))
    given = ("--method", "tinyvirat:prog-dvsr", "--dataset", "tinyvirat", "--enhancer-weights", path, "--device", "cpu")
    code, out, err = call("run", *given, "--dry-run")
    assert (code, out) == (2, "") and err.count("\n") == 1 and "--set enhancer.scale=4 or 8" in err
    code, out, err = call("cost", *given, "--set", "enhancer.scale=8", "--low", "14x14", "--no-latency", "--json")
    assert code == 0 and json.loads(out)["params"]["enhancer"] == 4_152_041 and "tensors" in err


# -- I3D


def test_i3d_under_the_names_of_the_authors_wrapper(tmp_path: Path) -> None:
    """deepnn/nets/models/i3d.py: every layer in a Sequential called model, except the classifier."""
    torch.manual_seed(0)
    public = I3d(26, first_pool=False)
    for module in public.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.running_mean, -0.3, 0.3)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
    state = {key if key.startswith("logits.") else f"model.{key}": value for key, value in public.state_dict().items()}
    path = written(tmp_path, state, key="netA", name="chk_ac_best.pth.tar")
    spec = type(I3D)(**{**vars(I3D), "weights": {"file:x@0": file_of(path)}})
    network, said = build_backbone(spec, 26, {"first_pool": False}, weights="file:x@0")
    assert "344 of 344 tensors" in said
    view = torch.rand(1, 3, 16, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        assert torch.equal(network.eval()(view), public.eval()(view))
    _, said = build_backbone(spec, 5, weights="file:x@0")
    assert "classifier fresh: 26 -> 5 classes" in said


def test_show_says_what_the_files_do_not(call: Call) -> None:
    for name, texts in {
        "i3d": ("`model.`", "backbone.first_pool=false"),
        "wide-resnet3d-50": ("stem", "128 channels"),
        "prog-dvsr-att": ("locpg2.py", "--enhancer-weights"),
    }.items():
        code, out, _ = call("show", name)
        flat = " ".join(out.split())
        assert code == 0 and all(text in flat for text in texts), name
    assert "128 channels" not in " ".join(call("show", "resnet3d-50")[1].split())


# -- shortcuts of 3D residual networks


@pytest.mark.parametrize(("made", "asked"), [("B", "A"), ("A", "B")])
def test_the_other_shortcut_is_named(tmp_path: Path, made: str, asked: str) -> None:
    spec = next(spec for spec in resnet3d_backbones() if spec.name == "resnet3d-18")
    state: State = spec.build(400, {"shortcut": made}).state_dict()
    assert ("layer2.0.downsample.0.weight" in state) is (made == "B")
    torch.save(
        {"arch": "resnet-18", "state_dict": {f"module.{key}": v for key, v in state.items()}}, tmp_path / "r.pth"
    )
    spec = type(spec)(**{**vars(spec), "weights": {"file:r@0": file_of(tmp_path / "r.pth")}})
    with pytest.raises(ElrError, match=rf"resnet3d-18.*downsample.*; pass --set backbone.shortcut={made}$") as told:
        build_backbone(spec, 12, {"shortcut": asked}, weights="file:r@0")
    assert "\n" not in str(told.value)
    _, said = build_backbone(spec, 12, {"shortcut": made}, weights="file:r@0")
    assert "classifier fresh: 400 -> 12 classes" in said


def test_another_network_gets_no_setting(tmp_path: Path) -> None:
    torch.save(i3d(4).state_dict(), tmp_path / "i3d.pth")
    spec = next(spec for spec in resnet3d_backbones() if spec.name == "resnet3d-18")
    spec = type(spec)(**{**vars(spec), "weights": {"file:i@0": file_of(tmp_path / "i3d.pth")}})
    with pytest.raises(ElrError, match="pass another --backbone or other --weights$"):
        build_backbone(spec, 4, weights="file:i@0")
