"""`elrbench export`: the file gives the predictions of its run, says what it is, and is scored."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import Call, caller, needs_export, refused, without_torch

from benchmark_core.catalog import Catalog
from benchmark_core.exported.model import read_exported
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.runner import run
from benchmark_core.scoring.predictions import Predictions
from benchmark_core.specs.index import Clip, Drawn
from elrbench import ElrError
from elrbench_plugins.commands.export.agreement import agreement
from elrbench_plugins.commands.export.int8 import refuse_test_clips

pytestmark = needs_export
TOY = Path(__file__).with_name("toy.py")


@pytest.fixture(scope="module")
def finished(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, next to its `cache`."""
    folder = tmp_path_factory.mktemp("toy")
    request = PlanRequest(
        method="supervised", dataset="toy", backbone="toynet", budget="smoke", size="24x32",
        settings=("method.batch=12", "method.epochs=6"),
    )  # fmt: skip
    plan = resolve_plan(toy_catalog, request)
    context = RunContext(out=folder / "run", cache=folder / "cache", reporter=Silent(), device="cpu")
    return run(plan, toy_catalog, context).folder


@pytest.fixture
def call(
    toy_catalog: Catalog, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Call:
    words = caller(toy_catalog, capsys, monkeypatch)
    return lambda *asked: words(*asked, "--cache", finished.parent / "cache")


@pytest.fixture
def exported(finished: Path, tmp_path: Path, call: Call) -> Path:
    """A copy of the run folder, exported to float32 and int8 and as a graph."""
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    code, _, said = call("export", folder, "--int8", "--pt2", "--check")
    assert code == 0, said
    return folder


def test_files_are_scored_and_say_what_they_are(exported: Path, toy_catalog: Catalog, call: Call) -> None:
    record = read_record(find_record(exported))  # export.json next to the record is no record
    report = json.loads((exported / "export.json").read_text())
    assert (report["digest"], report["record"]["value"]) == (record["digest"], record["scores"]["top1"]["value"])
    assert [each["kind"] for each in report["files"]] == ["onnx", "pt2", "int8"]
    for each in report["files"][:2]:
        assert each["run_score"]["value"] == each["file_score"]["value"] == record["scores"]["top1"]["value"]
        assert each["agrees"] and each["same_classes"] == each["clips"] == 12 and each["largest_difference"] < 1e-4
        assert each["frames"] == ["B", "K", 3, 1, 12, 16] and each["bytes"] == (exported / each["file"]).stat().st_size
    small = report["files"][2]
    assert small["calibration_clips"] == 24 and len(small["sha256"]) == 64
    difference = small["difference"]
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert difference["value"] == pytest.approx(small["file_score"]["value"] - small["run_score"]["value"])
    model = read_exported(exported / "recognizer.onnx")
    found, plan = model.metadata, Plan.from_json(record["plan"])
    assert (found.classes, found.sampling, found.low) == (("left", "right", "moves"), plan.sampling, "12x16")
    assert (found.digest, found.degradation, found.as_plan) == (plan.digest, plan.degradation, plan)
    assert found.licence == toy_catalog.datasets["toy"].licence and found.quantised == ""
    assert read_exported(exported / "recognizer.int8.onnx").metadata.quantised == "int8"


def test_probabilities_are_those_of_the_network_for_any_batch(exported: Path, toy_catalog: Catalog) -> None:
    model = read_exported(exported / "recognizer.onnx")
    network = load_run(exported, read_record(find_record(exported)), toy_catalog).recognizer
    rng = np.random.default_rng(0)
    for batch, intervals in ((1, 2), (5, 2), (2, 1), (1, 7)):
        frames = rng.integers(0, 256, (batch, intervals, 3, 1, 12, 16), dtype=np.uint8)
        with torch.no_grad():
            expected = network(torch.from_numpy(frames).float() / 255).softmax(-1).numpy()
        found = model.predict(frames)
        assert found.dtype == np.float32 and np.allclose(found, expected, atol=1e-5) and found.std() > 0.01
    assert np.array_equal(model.predict(frames[0]), found[0])
    assert model.predict(np.zeros((0, 2, 3, 1, 12, 16), np.uint8)).shape == (0, 3)


def test_predict_model_writes_the_predictions_of_predict_run_without_torch(
    exported: Path, tmp_path: Path, call: Call
) -> None:
    code, out, _ = call("predict", exported, "--device", "cpu", "--out", tmp_path / "run.csv.gz", "--json")
    expected = json.loads(out)
    words = ("predict", "--model", exported / "recognizer.onnx", "--plugin", TOY, "--out", tmp_path / "file.csv.gz")
    cache = ("--cache", exported.parent / "other-cache", "--json")
    done = subprocess.run(without_torch(*words, *cache), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {**found, "file": ""} == {**expected, "file": ""} and found["clips"] == 12 and code == 0
    tables = []
    for name in ("run", "file"):
        with gzip.open(tmp_path / f"{name}.csv.gz", "rt", newline="") as file:
            tables.append(list(csv.reader(file)))
    assert [row[:3] for row in tables[0]] == [row[:3] for row in tables[1]]
    ours, theirs = (np.array([row[3:] for row in rows[1:]], float) for rows in tables)
    assert np.allclose(ours, theirs, rtol=2e-3, atol=1e-4)


def test_a_file_is_exported_to_another_place_twice(finished: Path, tmp_path: Path, call: Call) -> None:
    before = {path: path.read_bytes() for path in finished.iterdir()}
    for _ in range(2):
        code, out, said = call("export", finished, "--onnx", tmp_path / "out" / "small.onnx")
        assert code == 0, said
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"small.onnx", "export.json"}
    assert {path: path.read_bytes() for path in finished.iterdir()} == before
    assert str(tmp_path / "out" / "small.onnx") in out and "same classes for 12 of 12 clips" in out


def test_check_fails_if_probabilities_differ(
    finished: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("elrbench_plugins.commands.export.agreement.TOLERANCE", -1.0)
    onnx = ("--onnx", tmp_path / "a.onnx")
    assert call("export", finished, *onnx)[0] == 0
    code, out, _ = call("export", finished, *onnx, "--check")
    assert code == 1 and "does not agree with the run" in out


def test_agreement_by_hand() -> None:
    """Softmax of (log 3, 0) is (3/4, 1/4); of (0, 0), (1/2, 1/2). Top-1 falls from 2/2 to 1/2."""
    targets, ids = np.array([0, 0]), ("a", "b")
    one = Predictions(ids, targets, np.array([[np.log(3), 0], [1.0, 0]]), ("x", "y"))
    other = Predictions(ids, targets, np.array([[0, 0], [-1.0, 0]]), ("x", "y"))
    found = agreement(one, other, "top1", rounded=False)
    assert found.run.value == 1.0 and found.file.value == 0.5 and found.same == 1 and not found.holds
    assert found.difference is not None and found.difference.value == -0.5
    assert found.largest == pytest.approx(1 / (1 + np.exp(-1)) - 1 / (1 + np.exp(1)))
    assert agreement(one, one, "top1", rounded=False).holds
    labels = np.array([[1, 0], [0, 1]])
    several = [Predictions(ids, labels, each.logits, ("x", "y")) for each in (one, other)]
    found = agreement(several[0], several[1], "f1_macro", rounded=True)
    assert found.largest == pytest.approx(1 / (1 + np.exp(-1)) - 1 / (1 + np.exp(1)))
    assert found.tolerance == 1e-2 and found.difference is not None


class Contents:
    """A store in which the content of a clip is its key."""

    def content_key(self, source: Drawn) -> str:
        return source.key


def test_calibration_clips_are_no_test_clips() -> None:
    def clip(name: str, content: str) -> Clip:
        return Clip(id=name, source=Drawn(len, content), target=0, group=name)  # type: ignore[arg-type]

    test = [clip("t1", "A"), clip("t2", "B")]
    refuse_test_clips([clip("c1", "C")], test, Contents())  # type: ignore[arg-type]
    for other in (clip("t2", "C"), clip("c1", "B")):
        with pytest.raises(ElrError, match=f"calibration clip '{other.id}' is the test clip 't2'"):
            refuse_test_clips([other], test, Contents())  # type: ignore[arg-type]


def test_what_cannot_be_exported(finished: Path, tmp_path: Path, call: Call) -> None:
    assert "is neither the folder of a finished run nor a digest" in refused(call("export", tmp_path / "gone"))
    assert "is not the name of an ONNX file" in refused(call("export", finished, "--onnx", tmp_path))
    assert "is not the name of an ONNX file" in refused(call("export", finished, "--onnx", tmp_path / "model.pt"))
    assert "reads no folder" in refused(call("export", finished, "--data", tmp_path, "--onnx", tmp_path / "a.onnx"))
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    (folder / "recognizer.safetensors").unlink()
    assert "recognizer.safetensors do not exist" in refused(call("export", folder))
    assert not (folder / "recognizer.onnx").exists()


def test_without_the_extra(finished: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark_core.networks.onnx_file.MODULES", ("onnx_that_is_absent",))
    assert "the extra 'export'" in refused(call("export", finished))
