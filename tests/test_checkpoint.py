"""Public checkpoints as initialisations: what matches, what may differ, and what is refused."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from calling import Call, caller
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.networks.assemble import build_backbone
from benchmark_core.networks.checkpoint import load_checkpoint
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import run
from benchmark_core.specs import BackboneSpec
from benchmark_core.weights_file import WeightsFile, add_weights, digest_of_bytes

State = dict[str, Tensor]


class Small(nn.Module):
    """Two convolutions, normalised, and a classifier."""

    def __init__(self, classes: int = 4, channels: int = 3, frames: int = 0, width: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv3d(channels, width, (frames, 3, 3)) if frames else nn.Conv2d(channels, width, 3)
        self.bn = nn.BatchNorm3d(width) if frames else nn.BatchNorm2d(width)
        self.mix = nn.Conv2d(width, 5, 1)
        self.drop, self.fc = nn.Dropout(0.1), nn.Linear(5, classes)

    def get_classifier(self) -> nn.Module:
        return nn.Sequential(self.drop, self.fc)


def small(seed: int = 0, **changed: int) -> Small:
    torch.manual_seed(seed)
    return Small(**changed)


def file_of(path: Path) -> WeightsFile:
    return WeightsFile(path=path, digest=digest_of_bytes(path.read_bytes()))


def saved(folder: Path, plain: object, name: str = "public.pth") -> WeightsFile:
    """`plain` in a file."""
    path = folder / name
    if path.suffix == ".safetensors":
        save_file(plain, path)
    else:
        torch.save(plain, path)
    return file_of(path)


def load(network: nn.Module, file: WeightsFile, channels: int = 3) -> str:
    return load_checkpoint(network, file, backbone="small", channels=channels)


def same(network: nn.Module, state: State, but: str = "-") -> bool:
    own = network.state_dict()
    return all(torch.equal(own[key], value) for key, value in state.items() if not key.startswith(but))


# -- what matches


WRAPPED: dict[str, Callable[[State], object]] = {
    "bare": lambda state: state,
    "state_dict": lambda state: {"meta": {"epoch": 3, "config": "text"}, "state_dict": state},
    "model": lambda state: {"epoch": 5, "model": state},
    "both": lambda state: {"model": {"state_dict": state}},
    "parallel": lambda state: {"state_dict": {f"module.{key}": value for key, value in state.items()}},
    "recognizer": lambda state: {
        **{f"backbone.{key}": value for key, value in state.items()},
        "head.classifier.weight": torch.rand(4, 5),
        "enhancer.net.weight": torch.rand(1),
    },
}


@pytest.mark.parametrize("wrap", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize("suffix", [".pth", ".pt"])
def test_all_tensors_are_loaded_out_of_any_usual_wrapper(wrap, suffix, tmp_path):
    public, network = small(1).state_dict(), small(2)
    assert not same(network, public)
    assert load(network, saved(tmp_path, wrap(public), f"public{suffix}")) == "11 of 11 tensors"
    assert same(network, public)


@pytest.mark.parametrize("wrap", [WRAPPED["bare"], WRAPPED["recognizer"]], ids=["bare", "recognizer"])
def test_safetensors(wrap, tmp_path):
    public, network = small(1).state_dict(), small(2)
    assert load(network, saved(tmp_path, wrap(public), "public.safetensors")) == "11 of 11 tensors"
    assert same(network, public)


def test_a_classifier_for_other_classes_stays_fresh(tmp_path):
    public, network = small(1, classes=9).state_dict(), small(2)
    before = network.fc.weight.detach().clone()
    said = load(network, saved(tmp_path, public))
    assert said == "9 of 11 tensors; classifier fresh: 9 -> 4 classes"
    assert torch.equal(network.fc.weight, before)
    assert same(network, public, but="fc.")


def test_a_classifier_for_as_many_classes_is_taken(tmp_path):
    public, network = small(1).state_dict(), small(2)
    load(network, saved(tmp_path, public))
    assert torch.equal(network.fc.weight, public["fc.weight"]) and torch.equal(network.fc.bias, public["fc.bias"])


def test_half_precision_becomes_the_networks_own(tmp_path):
    public = {key: value.half() if value.is_floating_point() else value for key, value in small(1).state_dict().items()}
    network = small(2)
    load(network, saved(tmp_path, public))
    assert network.stem.weight.dtype == torch.float32
    assert torch.equal(network.stem.weight, public["stem.weight"].float())


def test_an_older_checkpoint_counts_no_batches(tmp_path):
    public = {key: value for key, value in small(1).state_dict().items() if not key.endswith("num_batches_tracked")}
    network = small(2)
    assert load(network, saved(tmp_path, public)) == "10 of 11 tensors; 1 counts of batches start at 0"
    assert network.bn.num_batches_tracked.item() == 0 and same(network, public)


def test_loading_draws_no_random_number(tmp_path):
    file, network = saved(tmp_path, small(1).state_dict()), small(2)
    before = torch.random.get_rng_state()
    load(network, file)
    assert torch.equal(before, torch.random.get_rng_state())


# -- the first convolution alone may adapt


def test_colour_is_averaged_for_flow(tmp_path):
    public, network = small(1).state_dict(), small(2, channels=2)
    said = load(network, saved(tmp_path, public), channels=2)
    assert said == "11 of 11 tensors; first convolution 6x3x3x3 -> 6x2x3x3"
    torch.testing.assert_close(network.stem.weight, public["stem.weight"].mean(1, keepdim=True).expand(6, 2, 3, 3))
    assert same(network, public, but="stem.weight")


def test_weights_over_images_are_inflated(tmp_path):
    public, network = small(1).state_dict(), small(2, frames=4)
    said = load(network, saved(tmp_path, public))
    assert said == "11 of 11 tensors; first convolution 6x3x3x3 -> 6x3x4x3x3"
    torch.testing.assert_close(network.stem.weight.sum(2), public["stem.weight"])
    assert all(torch.equal(network.stem.weight[:, :, 0], network.stem.weight[:, :, t]) for t in range(4))


def test_another_convolution_does_not_adapt(tmp_path):
    public = small(1).state_dict()
    public["mix.weight"] = torch.rand(5, 8, 1, 1)
    with pytest.raises(ElrError, match=r"1 tensors differ \(first: mix.weight, 5x8x1x1, expected 5x6x1x1\)"):
        load(small(2), saved(tmp_path, public))


def test_flow_keeps_a_files_own_two_channels_and_averages_named_weights(tmp_path, catalog: Catalog):
    """A file is loaded into the network that flow needs; what a backbone names was made for colour."""

    def of_colour(network: nn.Module) -> None:
        nn.init.constant_(network.stem.weight, 0.5)

    public = small(1, channels=2).state_dict()
    file = saved(tmp_path, public)
    spec = BackboneSpec(
        name="small",
        summary="",
        factory=lambda classes, options: small(2, classes=classes),
        weights={"named": of_colour, "file:public@0": file},
    )
    network, said = build_backbone(spec, 4, weights="file:public@0", modality="flow")
    assert said == "file:public@0 (11 of 11 tensors)"
    assert same(network, public)
    network, said = build_backbone(spec, 4, weights="named", modality="flow")
    assert said == "named" and torch.equal(network.stem.weight, torch.full((6, 2, 3, 3), 0.5))


# -- what is refused, in one line


def refused(network: nn.Module, file: WeightsFile) -> str:
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ElrError) as error:
        load(network, file)
    assert "\n" not in str(error.value) and str(file.path) in str(error.value)
    assert same(network, before)  # nothing is half loaded
    return str(error.value).replace(str(file.path), "FILE")


def test_another_network_is_refused_with_the_first_of_each_kind(tmp_path):
    public = small(1, width=7).state_dict()
    public["extra.weight"] = public.pop("mix.bias")
    text = refused(small(2), saved(tmp_path, public))
    for part in (
        "FILE", "backbone 'small'", "1 of 11 tensors are missing (first: mix.bias)", "(first: extra.weight)",
        "7 tensors differ (first: stem.weight, 7x3x3x3, expected 6x3x3x3)", "--backbone", "--weights",
    ):  # fmt: skip
        assert part in text


def test_a_classifier_of_other_features_is_refused(tmp_path):
    public = small(1, classes=9).state_dict()
    public["fc.weight"] = torch.rand(9, 8)
    text = refused(small(2), saved(tmp_path, public))
    assert "2 tensors differ (first: fc.weight, 9x8, expected 4x5)" in text


def test_half_a_classifier_is_refused(tmp_path):
    public = small(1, classes=9).state_dict()
    del public["fc.bias"]
    assert "1 of 11 tensors are missing (first: fc.bias)" in refused(small(2), saved(tmp_path, public))


def test_numbers_that_are_not_finite_are_refused(tmp_path):
    public = small(1).state_dict()
    public["mix.bias"][2] = float("nan")
    text = refused(small(2), saved(tmp_path, public))
    assert text.startswith("the weights FILE: 1 tensors are not finite (first: mix.bias); pass another --backbone")


def test_code_is_never_run(tmp_path):
    file = saved(tmp_path, {"state_dict": small(1).state_dict(), "args": argparse.Namespace(lr=0.1)})
    text = refused(small(2), file)
    assert "FILE" in text and "(argparse.Namespace)" in text and "save its state_dict" in text


@pytest.mark.parametrize("plain", [{}, {"net": {"a": torch.zeros(1)}, "epoch": 3}, [torch.zeros(1)], 7], ids=str)
def test_no_tensors_by_name(plain, tmp_path):
    text = refused(small(2), saved(tmp_path, plain))
    assert text.startswith("the weights FILE contain no named tensors, neither at the top (")
    assert "nor under state_dict, model, " in text and "save a state_dict" in text


@pytest.mark.parametrize("name", ["public.pth", "public.pt", "public.safetensors"])
@pytest.mark.parametrize("content", ["", "an error page, not a checkpoint", "torn"])
def test_what_is_no_checkpoint(name, content, tmp_path):
    path = tmp_path / name
    saved(tmp_path, small(1).state_dict(), name)
    path.write_bytes(path.read_bytes()[:900] if content == "torn" else content.encode())
    assert refused(small(2), file_of(path)).startswith("the weights FILE are not a")


def test_a_file_that_changes_after_it_was_named_is_refused(tmp_path):
    file = saved(tmp_path, small(1).state_dict())
    torch.save(small(3).state_dict(), file.path)
    assert refused(small(2), file) == "the weights FILE have changed since the plan was made; run the command again"


# -- in plans


def test_a_plan_holds_name_and_content_and_no_path(tmp_path, catalog: Catalog):
    def plan(path: Path) -> tuple[str, str]:
        placed, name = add_weights(catalog, str(path))
        asked = PlanRequest(method="supervised", dataset="puppets", budget="smoke", weights=name)
        found = resolve_plan(placed, asked)
        return found.weights, found.digest

    one = saved(tmp_path, small(1).state_dict(), "My net (v2).pth").path
    (tmp_path / "elsewhere").mkdir()
    moved = Path(shutil.copy(one, tmp_path / "elsewhere" / one.name))
    weights, digest = plan(one)
    assert weights == f"file:My-net-v2@{digest_of_bytes(one.read_bytes())}"
    assert plan(moved) == (weights, digest)
    torch.save(small(3).state_dict(), moved)
    assert plan(moved)[1] != digest


def test_names_stay_names(catalog: Catalog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").write_text("a file of that name is not meant")
    for name in ("scratch", "imagenet", "imagnet"):
        assert add_weights(catalog, name) == (catalog, name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("absent.pth", "--weights absent.pth: the file does not exist"),
        ("some/where", "--weights some/where: the file does not exist"),
        (
            "a.txt",
            "--weights a.txt is not a checkpoint: its name must end in one of .safetensors, .pth, .pt",
        ),
        ("folder", "--weights folder is a folder; pass a checkpoint in it, one of .safetensors, .pth, .pt"),
        (
            "file:a@0123",
            "--weights file:a@0123 is a file name from a plan; pass the path of the file: --weights PATH",
        ),
    ],
)
def test_paths_to_no_checkpoint(text, says, catalog: Catalog, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ElrError, match=re.escape(says)):
        add_weights(catalog, text)


# -- in runs


@pytest.fixture(scope="module")
def finished(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the toy network on two of the toy's classes; `cache` lies beside it."""
    folder = tmp_path_factory.mktemp("finished")
    toy_run(toy_catalog, folder / "first", folder / "cache", classes="left,right")
    return folder / "first"


def toy_run(catalog: Catalog, out: Path, cache: Path, weights: str | None = None, classes: str | None = None) -> None:
    settings = ("method.batch=12", "method.epochs=1")
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32", sampling="2x1",
        weights=weights, classes=classes, settings=settings,
    )  # fmt: skip
    run(
        resolve_plan(catalog, request),
        catalog,
        RunContext(data=None, out=out, cache=cache, reporter=Silent(), device="cpu"),
    )


def test_a_run_starts_from_another_runs_recognizer(toy_catalog: Catalog, finished: Path, tmp_path: Path):
    """Recorded, part of the stage's key, and not needed again: the run folder has all that predicts."""
    path = Path(shutil.copy(finished / "recognizer.safetensors", tmp_path / "left-right.safetensors"))
    placed, name = add_weights(toy_catalog, str(path))
    toy_run(placed, tmp_path / "second", finished.parent / "cache", weights=name)
    toy_run(toy_catalog, tmp_path / "scratch", finished.parent / "cache")
    record, plain = (read_record(find_record(tmp_path / folder)) for folder in ("second", "scratch"))
    assert record["plan"]["weights"] == name == f"file:left-right@{digest_of_bytes(path.read_bytes())}"
    assert record["initialisation"] == f"{name} (28 of 30 tensors; classifier fresh: 2 -> 3 classes)"
    assert plain["initialisation"] == plain["plan"]["weights"] == "scratch"
    assert record["stages"][0]["key"] != plain["stages"][0]["key"] and not record["stages"][0]["reused"]
    path.unlink()
    deployed = load_run(tmp_path / "second", record, toy_catalog)
    assert same(deployed.recognizer, load_file(tmp_path / "second" / "recognizer.safetensors"))


def test_a_file_of_another_network_stops_a_run_before_data_is_touched(toy_catalog: Catalog, tmp_path: Path):
    placed, name = add_weights(toy_catalog, str(saved(tmp_path, small(1).state_dict()).path))
    with pytest.raises(ElrError, match=r"backbone 'toynet': 24 of 30 tensors are missing"):
        toy_run(placed, tmp_path / "out", tmp_path / "cache", weights=name)
    assert not list((tmp_path / "cache" / "clips").glob("*")) and not list((tmp_path / "out").glob("*.json"))


@pytest.fixture
def call(toy_catalog: Catalog, capsys, monkeypatch) -> Call:
    """`call("cost", …)` -> (exit code, stdout, stderr)."""
    return caller(toy_catalog, capsys, monkeypatch)


BARE = ("cost", "--backbone", "toynet", "--classes", "3", "--size", "24x32", "--no-latency", "--json")
PLANNED = ("--method", "supervised", "--dataset", "toy", "--backbone", "toynet", "--budget", "smoke")


def test_cost_says_what_matches(call, finished: Path):
    path = finished / "recognizer.safetensors"
    said = f"file:recognizer@{digest_of_bytes(path.read_bytes())} (28 of 30 tensors; classifier fresh: 2 -> 3 classes)"
    for flags in (BARE, ("cost", *PLANNED, "--size", "24x32", "--no-latency", "--json")):
        code, out, err = call(*flags, "--weights", str(path))
        assert code == 0 and f"weights: {said}" in err
        assert json.loads(out)["params"] == json.loads(call(*flags)[1])["params"]


def test_a_plan_file_names_weights_too(call, finished: Path, tmp_path: Path):
    path = finished / "recognizer.safetensors"
    (tmp_path / "plan.yaml").write_text(f"method: supervised\ndataset: toy\nbackbone: toynet\nweights: {path}\n")
    code, out, _ = call("run", "--plan", str(tmp_path / "plan.yaml"), "--dry-run", "--json")
    plan = json.loads(out)["plan"]
    assert code == 0 and plan["weights"] == f"file:recognizer@{digest_of_bytes(path.read_bytes())}"
    assert str(tmp_path) not in out and str(finished) not in out
    code, out, _ = call("run", "--plan", str(tmp_path / "plan.yaml"), "--weights", "scratch", "--dry-run", "--json")
    assert json.loads(out)["plan"]["weights"] == "scratch"


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ("imagenat", "unknown weights of backbone 'toynet': 'imagenat'. Known: scratch."),
        ("absent.pth", "--weights absent.pth: the file does not exist"),
    ],
)
def test_a_mistake_is_one_line(weights, says, call):
    code, out, err = call("run", *PLANNED, "--weights", weights, "--dry-run")
    assert (code, out, err) == (2, "", f"elrbench: error: {says}\n")


def test_a_file_needs_no_extra(tmp_path, catalog: Catalog):
    """An extra brings the weights that a backbone names; those of the user's are at hand."""
    spec = dataclasses.replace(
        catalog.backbones["resnet18"], requires=("no_such_module",), extra="absent", weights={}, name="needy"
    )
    network, _ = build_backbone(spec, 5)
    file = saved(tmp_path, network.state_dict())
    _, said = build_backbone(dataclasses.replace(spec, weights={"file:x@0": file}), 5, weights="file:x@0")
    assert said == "file:x@0 (122 of 122 tensors)"
