"""A run whose clips are elsewhere: its recognizer is loaded and exported, and the command says what was not checked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import Call, caller, needs_export, refused
from videos import labelled

import elrbench
from benchmark_core.catalog import Catalog
from benchmark_core.errors import ElrError
from benchmark_core.exported.model import read_exported
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench_plugins.commands.export.clips_at_hand import clips_at_hand
from elrbench_plugins.commands.watch.model import open_model

TOY = str(Path(__file__).with_name("toy.py"))
CLASSES = ("bright & big", "dark!")


@pytest.fixture(scope="module")
def own_clips(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on `folder:my-clips`, whose clips were then deleted."""
    folder = tmp_path_factory.mktemp("own")
    catalog, name = toy_catalog.with_folder(f"folder:{labelled(folder / 'my-clips')}")
    settings = ("method.batch=4", "method.epochs=1")
    asked = PlanRequest(
        method="supervised", dataset=name, backbone="toynet", budget="smoke", size="24x32", settings=settings
    )
    context = RunContext(
        data=folder / "my-clips", out=folder / "run", cache=folder / "cache", reporter=Silent(), device="cpu"
    )
    run(resolve_plan(catalog, asked), catalog, context)
    shutil.rmtree(folder / "my-clips")
    return folder / "run"


@pytest.fixture
def call(toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(toy_catalog, capsys, monkeypatch)


def test_the_recognizer_is_loaded(own_clips: Path) -> None:
    loaded = elrbench.load_run(own_clips, plugins=[TOY])
    assert loaded.classes == CLASSES and loaded.plan.dataset == "folder:my-clips"
    assert loaded.low_size == (12, 16)
    model = open_model(own_clips, device="cpu", plugins=[TOY])
    assert (model.classes, model.low, model.degradation) == (CLASSES, (12, 16), "average-12x16")
    assert model.degradation_options == {"sigma_blur": 0.25, "sigma_noise": 2.0}


@needs_export
def test_the_file_is_written_and_the_command_says_that_no_score_was_checked(
    own_clips: Path, tmp_path: Path, call: Call
) -> None:
    words = ("export", own_clips, "--onnx", tmp_path / "a.onnx", "--cache", tmp_path / "cache", "--pt2")
    code, out, said = call(*words)
    assert code == 0, said
    last = out.splitlines()[-1]
    assert last.startswith(
        "the score was not checked: the run's test clips are not here; pass --data DIR to check it ("
    )
    assert "dataset 'folder:my-clips': the folder my-clips does not exist" in last
    assert "same classes" not in out
    report = json.loads((tmp_path / "export.json").read_text())
    assert [(each["kind"], each["agrees"]) for each in report["files"]] == [("onnx", None), ("pt2", None)]
    assert "not_scored" in report and "run_score" not in report["files"][0]
    model = read_exported(tmp_path / "a.onnx")
    assert model.metadata.classes == CLASSES
    frames = np.random.default_rng(0).integers(0, 256, (2, 2, *model.view), dtype=np.uint8)
    with torch.no_grad():
        logits = elrbench.load_run(own_clips, plugins=[TOY]).recognizer(torch.from_numpy(frames).float() / 255)
    assert np.allclose(model.predict(frames), logits.softmax(-1), atol=1e-5)
    assert json.loads(call(*words, "--json")[1])["not_scored"] == report["not_scored"]


@needs_export
def test_a_check_without_clips_fails_and_so_does_int8(own_clips: Path, tmp_path: Path, call: Call) -> None:
    words = ("export", own_clips, "--onnx", tmp_path / "a.onnx", "--cache", tmp_path / "cache")
    code, out, _ = call(*words, "--check")
    assert code == 1 and "the score was not checked" in out
    (tmp_path / "a.onnx").unlink()
    assert "--int8 needs the run's clips to calibrate on, and they are not here" in refused(call(*words, "--int8"))
    assert "has no effect without --int8" in refused(call(*words, "--calibration", "5"))
    assert "the folder" in refused(call(*words, "--data", tmp_path / "gone"))  # a folder that the user names
    assert not (tmp_path / "a.onnx").exists()


def test_clips_of_a_dataset_are_found_or_it_is_said_why_not(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = resolve_plan(catalog, PlanRequest(method="supervised", dataset="jhmdb", budget="small"))
    record = {"plan": plan.to_json()}
    monkeypatch.delenv("ELRBENCH_DATA", raising=False)
    assert "dataset 'jhmdb' needs its files: pass --data" in clips_at_hand(record, catalog, None).missing  # type: ignore[arg-type]
    monkeypatch.setenv("ELRBENCH_DATA", str(tmp_path))
    assert "does not exist" in clips_at_hand(record, catalog, None).missing  # type: ignore[arg-type]
    (tmp_path / "jhmdb").mkdir()
    assert "is empty" in clips_at_hand(record, catalog, None).missing  # type: ignore[arg-type]
    with pytest.raises(ElrError, match="does not exist"):
        clips_at_hand(record, catalog, tmp_path / "gone")  # type: ignore[arg-type]
    drawn = {"plan": resolve_plan(catalog, PlanRequest(method="supervised", dataset="puppets")).to_json()}
    found = clips_at_hand(drawn, catalog, None)  # type: ignore[arg-type]
    assert (found.missing, found.data) == ("", None)
