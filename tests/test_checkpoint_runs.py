"""Plans and runs that start from a file of weights: its name and content are recorded, its path is not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from calling import Call, caller
from checkpoints import same, saved, small
from safetensors.torch import load_file

from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import run
from benchmark_core.weights_file import add_weights, digest_of_bytes

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
    """A run of the toy network on two of the toy's classes; `cache` is next to it."""
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
