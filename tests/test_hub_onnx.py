"""`elrbench hub` with exported files: the file and its scores are shared, and what is fetched runs without torch."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from exported import Call, caller, needs_export, refused, without_torch
from shared_models import toy_run, tree

from benchmark_core.catalog import Catalog
from benchmark_core.provenance import file_digest
from elrbench_plugins.commands.hub.manifest import CARD, MANIFEST
from elrbench_plugins.commands.hub.model_files import EXPORT

pytestmark = needs_export
TOY = Path(__file__).with_name("toy.py")
FREE = ("--license", "mit")


@pytest.fixture(scope="module")
def made(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_run(toy_catalog, tmp_path_factory.mktemp("hub"))


@pytest.fixture
def call(toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(toy_catalog, capsys, monkeypatch)


@pytest.fixture
def exported(made: Path, tmp_path: Path, call: Call) -> Path:
    """A copy of the run folder, exported to float32 and int8."""
    folder = Path(shutil.copytree(made, tmp_path / "run"))
    assert call("export", folder, "--int8", "--cache", made.parent / "cache")[0] == 0
    return folder


def small_device(*words: object) -> list[str]:
    """The command line in a process without packages that docs/deploy.md does not install on a small device."""
    absent = ("torch", "pandas", "tabulate", "safetensors", "fsspec", "huggingface_hub", "fvcore")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "from benchmark_core.cli import main; main(sys.argv[1:])"
    )
    return [sys.executable, "-c", code, *map(str, words)]


def test_a_file_goes_there_and_back_and_predicts_without_torch(
    exported: Path, made: Path, call: Call, tmp_path: Path
) -> None:
    source = exported / "recognizer.onnx"
    code, out, said = call("hub", "push", source, tmp_path / "shared", *FREE, "--json")
    assert code == 0, said
    assert set(json.loads(out)["files"]) == {"recognizer.onnx", EXPORT, CARD}
    done = subprocess.run(
        small_device("hub", "pull", tmp_path / "shared", "--out", tmp_path / "model"), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert f"--model {tmp_path / 'model' / 'recognizer.onnx'}" in done.stdout
    assert set(tree(tmp_path / "model")) == {"recognizer.onnx", EXPORT, CARD, MANIFEST}
    cache = made.parent / "cache"
    argv = without_torch(
        "predict", "--model", tmp_path / "model" / "recognizer.onnx", "--plugin", TOY, "--cache", cache, "--json"
    )
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    report = json.loads((exported / EXPORT).read_text())
    assert json.loads(done.stdout)["scores"]["top1"]["value"] == report["files"][0]["file_score"]["value"]


def test_what_was_fetched_can_be_exported_and_watched(made: Path, call: Call, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 255, (40, 12, 16, 3), dtype=np.uint8)
    np.save(tmp_path / "clip.npy", frames)
    assert call("hub", "push", made, tmp_path / "shared", *FREE)[0] == 0
    assert call("hub", "pull", tmp_path / "shared", "--out", tmp_path / "run")[0] == 0
    code, _, said = call("export", tmp_path / "run", "--check", "--cache", made.parent / "cache")
    assert code == 0, said
    assert call("hub", "push", tmp_path / "run" / "recognizer.onnx", tmp_path / "shared2", *FREE)[0] == 0
    assert call("hub", "pull", tmp_path / "shared2", "--out", tmp_path / "file")[0] == 0
    told = []
    for model in (tmp_path / "run", tmp_path / "file" / "recognizer.onnx"):
        code, out, said = call("watch", tmp_path / "clip.npy", "--model", model, "--plugin", TOY, "--json")
        *windows, last = (json.loads(line) for line in out.splitlines())
        assert (code, last["summary"]["frames"]) == (0, 40), said
        told.append([window["labels"] for window in windows])
    assert told[0] == told[1] and told[0]


def test_the_card_of_a_file_has_its_own_score(exported: Path, call: Call, tmp_path: Path) -> None:
    code, card, said = call("hub", "push", exported / "recognizer.int8.onnx", "x", *FREE, "--dry-run")
    assert code == 0, said
    entry = json.loads((exported / EXPORT).read_text())["files"][1]
    assert "with 8-bit weights and activations" in card and "12x16" in card
    assert f"has top1 {100 * entry['file_score']['value']:.2f}" in card
    assert f"{entry['same_classes']} of {entry['clips']} clips" in card
    assert f"{entry['bytes'] / 1e6:.2f} MB" in card and "24 for training, 12 tested" in card
    assert "elrbench predict --model model/recognizer.int8.onnx" in card
    assert "onnx" in yaml.safe_load(card.split("---\n")[1])["tags"]


def test_a_file_alone_needs_its_scores_and_no_record(exported: Path, call: Call, tmp_path: Path) -> None:
    source = tmp_path / "alone" / "recognizer.onnx"
    source.parent.mkdir()
    shutil.copy(exported / "recognizer.onnx", source)
    assert f"{EXPORT} does not exist" in refused(call("hub", "push", source, tmp_path / "x", *FREE))
    shutil.copy(exported / EXPORT, source.parent)
    card = call("hub", "push", source, "x", *FREE, "--dry-run")[1]
    assert "| top1" in card and "for training" not in card and "- seed: 0" in card


def test_a_file_that_its_scores_do_not_describe(exported: Path, call: Call, tmp_path: Path) -> None:
    (exported / "recognizer.onnx").unlink()
    (exported / "recognizer.int8.onnx").rename(exported / "recognizer.onnx")
    text = refused(call("hub", "push", exported / "recognizer.onnx", tmp_path / "x", *FREE))
    assert "is not the file that export.json describes" in text
    (exported / "recognizer.onnx").rename(exported / "other.onnx")
    assert "does not describe other.onnx" in refused(
        call("hub", "push", exported / "other.onnx", tmp_path / "x", *FREE)
    )
    (exported / "no.onnx").write_text("text")
    assert "not a model that onnxruntime" in refused(call("hub", "push", exported / "no.onnx", tmp_path / "x", *FREE))
    assert "does not exist" in refused(call("hub", "push", exported / "absent.onnx", tmp_path / "x", *FREE))


def test_a_name_that_is_no_plain_name(exported: Path, call: Call, tmp_path: Path) -> None:
    path = exported / "my model.onnx"
    (exported / "recognizer.onnx").rename(path)
    report = (exported / EXPORT).read_text().replace('"recognizer.onnx"', '"my model.onnx"')
    (exported / EXPORT).write_text(report)
    assert "'my model.onnx' is not a plain name" in refused(call("hub", "push", path, tmp_path / "x", *FREE))


def test_a_pickle_with_the_name_of_a_model_is_refused(exported: Path, call: Call, tmp_path: Path) -> None:
    assert call("hub", "push", exported / "recognizer.onnx", tmp_path / "shared", *FREE)[0] == 0
    path = tmp_path / "shared" / "recognizer.onnx"
    path.write_bytes(b"\x80\x04K\x01.")
    manifest = json.loads((tmp_path / "shared" / MANIFEST).read_text())
    manifest["files"]["recognizer.onnx"] = {"bytes": path.stat().st_size, "sha256": file_digest(path)}
    (tmp_path / "shared" / MANIFEST).write_text(json.dumps(manifest))
    text = refused(call("hub", "pull", tmp_path / "shared", "--out", tmp_path / "model"))
    assert "recognizer.onnx is not an ONNX file" in text and not (tmp_path / "model").exists()
