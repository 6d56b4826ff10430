"""Reading exported files without torch: what is refused, metadata, and clips of other sizes."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import caller, needs_export, refused
from torch import nn
from torch.nn.functional import interpolate

from benchmark_core.catalog import Catalog
from benchmark_core.exported.metadata import PREFIX, Metadata
from benchmark_core.exported.model import read_exported
from benchmark_core.exported.resize import antialiased_matrix, resized
from benchmark_core.networks.onnx_file import write_onnx
from benchmark_core.plans.plan import Plan
from elrbench import ElrError

pytestmark = needs_export
SHAPE = (1, 2, 3, 1, 12, 16)  # the toy plan's sampling is 2x1


class Brightness(nn.Module):
    """Three classes: the mean grey level of each channel."""

    def forward(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return probabilities and logits, (B, C)."""
        logits = frames.float().mean((1, 3, 4, 5)) / 64
        return logits.softmax(-1), logits


@pytest.fixture
def metadata(toy_plan: Plan) -> Metadata:
    """As of a run of the toy plan."""
    return Metadata(
        plan=toy_plan.to_json(), digest=toy_plan.digest, weights="0" * 64, classes=("left", "right", "moves"),
        task="single-label", metric="top1", stream="rgb", view="low", low="12x16", degradation=toy_plan.degradation,
        frames_at_once=1, sampling=toy_plan.sampling, test_views=toy_plan.test_views, licence="drawn", citation="",
        quantised="", made_with="0.1.0",
    )  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """`write(props)` -> an ONNX file of `Brightness` with these metadata, changed by `change(model)`."""
    import onnx

    def written(props: dict[str, str], change: Callable[[onnx.ModelProto], None] = lambda model: None) -> Path:
        path = tmp_path / "model.onnx"
        names = {"inputs": ["frames"], "outputs": ["probabilities", "logits"]}
        write_onnx(Brightness(), torch.zeros(SHAPE, dtype=torch.uint8), path, **names)  # type: ignore[arg-type]
        model = onnx.load(path)
        onnx.helper.set_model_props(model, props)
        change(model)
        path.write_bytes(model.SerializeToString())
        return path

    return written


def test_metadata_survive_the_file(metadata: Metadata, write: Callable[..., Path]) -> None:
    model = read_exported(write(metadata.to_props()), threads=1)
    assert model.metadata == metadata and model.view == (3, 1, 12, 16) and (model.batch, model.intervals) == (1, 2)
    frames = np.zeros(SHAPE, np.uint8)
    frames[:, :, 1] = 64
    expected = np.exp([0, 1, 0]) / np.exp([0, 1, 0]).sum()
    assert np.allclose(model.predict(frames), expected, atol=1e-6)
    assert np.allclose(model.logits(frames), [0, 1, 0], atol=1e-6)
    assert np.allclose(model.predict(np.repeat(frames, 3, 0)), expected, atol=1e-6)  # a file for one clip at a time


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (np.zeros(SHAPE, np.float32), "takes uint8 frames, not float32"),
        (np.zeros((1, 2, 3, 1, 24, 32), np.uint8), "takes frames of Bx2x3x1x12x16"),
        (np.zeros((1, 3, 3, 1, 12, 16), np.uint8), "not 1x3x3x1x12x16"),
        (np.zeros((12, 16), np.uint8), "not 12x16"),
    ],
)
def test_other_frames_are_refused(metadata: Metadata, write: Callable[..., Path], frames: object, words: str) -> None:
    with pytest.raises(ElrError, match=words):
        read_exported(write(metadata.to_props())).predict(frames)  # type: ignore[arg-type]


def test_files_that_are_not_ours(
    toy_catalog: Catalog, metadata: Metadata, write: Callable[..., Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    words = caller(toy_catalog, capsys, monkeypatch)

    def line(path: Path, *flags: object) -> str:
        return refused(words("predict", "--model", path, "--cache", tmp_path / "cache", *flags))  # type: ignore[arg-type]

    assert "does not exist" in line(tmp_path / "gone.onnx")
    torn = tmp_path / "torn.onnx"
    for content in (b"", b"no model at all", write(metadata.to_props()).read_bytes()[:500]):
        torn.write_bytes(content)
        assert "is not a model that onnxruntime" in line(torn)
    props = metadata.to_props()
    assert "has no metadata of elrbench" in line(write({"author": "someone"}))
    assert "has metadata of schema 2, and this version reads schema 1" in line(write({**props, f"{PREFIX}schema": "2"}))
    fewer = {key: text for key, text in props.items() if key != f"{PREFIX}classes"}
    assert "lacks the metadata classes" in line(write(fewer))
    assert "damaged metadata" in line(write({**props, f"{PREFIX}plan": "{"}))
    other = dataclasses.replace(metadata, digest="0" * 16).to_props()
    assert "damaged metadata (the plan's digest" in line(write(other))
    two = dataclasses.replace(metadata, classes=("left", "right")).to_props()
    assert "do not agree with its metadata" in line(write(two))
    sixteen = dataclasses.replace(metadata, frames_at_once=16).to_props()
    assert "do not agree with its metadata" in line(write(sixteen))
    assert "damaged metadata" in line(write({**props, f"{PREFIX}classes": "[" * 100_000}))

    def newer(model: object) -> None:
        model.opset_import[0].version = 99  # type: ignore[attr-defined]

    assert "uses opset 99" in line(write(props, newer))
    good = write(props)
    assert "runs on the CPU" in line(good, "--device", "cuda")
    assert "dataset 'puppets'" in line(good, "--dataset", "puppets")
    assert "either a run folder or --model" in refused(words("predict", tmp_path, "--model", good))
    assert "either a run folder or --model" in refused(words("predict"))


def test_a_missing_runtime_is_named(metadata: Metadata, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    path = write(metadata.to_props())
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ElrError, match="extra 'export'"):
        read_exported(path)


@pytest.mark.parametrize(("text", "threads"), [("2,1", 2), ("", 0), ("many", 0), (" 3 ", 3)])
def test_threads_are_those_of_the_environment(
    metadata: Metadata, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, text: str, threads: int
) -> None:
    """OMP_NUM_THREADS may be a list, with one number for each level of nested threads."""
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    model = read_exported(write(metadata.to_props()))
    assert model.session.get_session_options().intra_op_num_threads == threads


def test_the_reader_imports_no_torch(metadata: Metadata, write: Callable[..., Path]) -> None:
    code = (
        "import sys, numpy, pathlib, elrbench; sys.modules['torch'] = None;"
        "model = elrbench.read_exported(pathlib.Path(sys.argv[1]));"
        "print(model.predict(numpy.zeros((1, 2, *model.view), numpy.uint8)).shape)"
    )
    words = [sys.executable, "-c", code, str(write(metadata.to_props()))]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout.split() == ["(1,", "3)"]


def test_a_row_is_resized_by_hand() -> None:
    """Two pixels to four: centres -0.25, 0.25, 0.75, 1.25. Four to two: triangles of width 2 around 0.5 and 2.5."""
    assert np.allclose(antialiased_matrix(2, 4), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]])
    assert np.allclose(antialiased_matrix(4, 2)[0], np.array([0.75, 0.75, 0.25, 0]) / 1.75)
    row = np.array([[0, 100]], np.uint8)
    assert resized(row, (1, 4)).tolist() == [[0, 25, 75, 100]] and resized(row, (1, 2)) is row


@pytest.mark.parametrize("size", [(5, 9), (24, 30), (12, 40)])
def test_frames_are_resized_as_torch_does(size: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 3, 12, 16), dtype=np.uint8)
    expected = interpolate(torch.from_numpy(frames).float(), size, mode="bilinear", antialias=True)
    assert np.abs(resized(frames, size) - expected.numpy()).max() <= 0.5 + 1e-3
