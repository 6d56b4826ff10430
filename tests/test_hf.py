"""Backbones of transformers: the same values as the library, maps, sizes and lengths, costs, whole runs and exports."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import CONFIGS, PROCESSOR, VIDEO, model_of, saved

from benchmark_core.backbone_templates import add_backbone
from benchmark_core.catalog import Catalog
from benchmark_core.cost.macs import count_macs, count_work
from benchmark_core.networks.assemble import build_backbone, build_recognizer, map_shape, recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.records.record import find_record, read_record
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run
from benchmark_core.runs.requests import read_request, request_of
from benchmark_core.runs.runner import run
from benchmark_core.specs import BackboneSpec
from benchmark_core.training.levels import levels_of

transformers = pytest.importorskip("transformers", reason="the extra 'hf' is not installed")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """model_type -> a folder with such a model."""
    root = tmp_path_factory.mktemp("models")
    return {kind: saved(root / f"tiny-{kind}", kind) for kind in CONFIGS}


def added(catalog: Catalog, folder: Path) -> tuple[Catalog, BackboneSpec]:
    found, name = add_backbone(catalog, f"hf:{folder}")
    return found, found.backbones[name]


def network(catalog: Catalog, folder: Path, classes: int = 5) -> Any:
    """The pre-trained network, in evaluation mode."""
    _, spec = added(catalog, folder)
    return build_backbone(spec, classes, weights="pretrained")[0].eval()


def views(kind: str, size: tuple[int, int] = (32, 32), frames: int | None = None) -> torch.Tensor:
    frames = frames or CONFIGS[kind].get("num_frames", 1)
    time = (frames,) if kind in VIDEO else ()
    return torch.randn(2, 3, *time, *size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_spec(catalog: Catalog, folders: dict[str, Path], kind: str) -> None:
    _, spec = added(catalog, folders[kind])
    stem, _, digest = spec.name.partition("@")
    assert stem == f"hf:tiny-{kind}" and len(digest) == 16
    assert spec.source == f"hf:{folders[kind]}"
    assert spec.mean == pytest.approx(PROCESSOR["image_mean"]) and spec.std == pytest.approx(PROCESSOR["image_std"])
    assert spec.dims == (3 if kind in VIDEO else 2) and spec.default_weights == "pretrained"
    assert spec.sampling == (f"clip-{CONFIGS[kind]['num_frames']}" if kind in VIDEO else "4x1")
    assert len(spec.stages) == 4


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize(("size", "frames"), [((32, 32), None), ((40, 64), 6), ((33, 50), 3)])
def test_maps_of_any_size_and_length(
    catalog: Catalog, folders: dict[str, Path], kind: str, size: tuple[int, int], frames: int | None
) -> None:
    _, spec = added(catalog, folders[kind])
    built: Any = spec.build(5).eval()
    x = views(kind, size, frames)
    maps = built.forward_features(x)
    assert len(maps) == len(spec.stages) and all(each.ndim == x.ndim and min(each.shape) > 0 for each in maps)
    assert built.pool(maps[-1]).shape == (2, built.num_features) and built(x).shape == (2, 5)
    assert map_shape(built, x.shape[1:]) == tuple(maps[-1].shape[1:])
    if (patch := CONFIGS[kind].get("patch_size", 8 if kind == "vivit" else 0)) and kind != "swin":
        tubelet = {"videomae": 2, "vivit": 2, "timesformer": 1}.get(kind)
        grid = [-(-side // patch) for side in size]
        time = [-(-x.shape[2] // tubelet)] if tubelet else []
        assert all(list(each.shape[2:]) == [*time, *grid] for each in maps)


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_library_computes_the_same(catalog: Catalog, folders: dict[str, Path], kind: str) -> None:
    """At the published size, the last map is the library's output without its class token."""
    x = views(kind, size=(CONFIGS[kind].get("image_size", 32),) * 2)
    with torch.no_grad():
        last = network(catalog, folders[kind]).forward_features(x)[-1]
        model = model_of(kind)
        theirs = model(x.transpose(1, 2) if kind in VIDEO else x).last_hidden_state
    if kind == "videomae" and theirs.shape[1] == last[0, 0].numel():
        ours = last.flatten(2).transpose(1, 2)
    elif kind == "timesformer":
        ours, theirs = last.permute(0, 3, 4, 2, 1).flatten(1, 3), theirs[:, 1:]
    elif kind in ("vivit", "vit", "dinov2"):
        ours, theirs = last.flatten(2).transpose(1, 2), theirs[:, 1:]
    elif kind == "swin":  # AutoBackbone has a norm of each map, the model one of its output: both are new
        ours, theirs = last.flatten(2).transpose(1, 2), theirs
    elif kind == "convnext":  # AutoBackbone has a norm over the channels of each map
        norm = torch.nn.functional.layer_norm(theirs.permute(0, 2, 3, 1), theirs.shape[1:2], eps=1e-6)
        ours, theirs = last, norm.permute(0, 3, 1, 2)
    else:
        ours = last
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["vit", "videomae", "vivit", "timesformer"])
def test_intermediate_maps_are_hidden_states(catalog: Catalog, folders: dict[str, Path], kind: str) -> None:
    """Stage `block2` is the output of the second block."""
    x = views(kind)
    _, spec = added(catalog, folders[kind])
    assert spec.stages == ("block1", "block2", "block3", "block4")
    built, model = network(catalog, folders[kind]), model_of(kind)
    holder = getattr(model, "encoder", model)
    block = (holder.layer if hasattr(holder, "layer") else holder.layers)[1]
    seen: list[Any] = []
    block.register_forward_hook(lambda module, inputs, out: seen.append(out[0] if isinstance(out, tuple) else out))
    with torch.no_grad():
        second = built.forward_features(x)[1]
        model(x.transpose(1, 2) if kind in VIDEO else x)
    tokens = seen[0][:, -second[0, 0].numel() :]
    order = (0, 3, 4, 2, 1) if kind == "timesformer" else (0, *range(2, second.ndim), 1)
    assert torch.allclose(second.permute(*order).flatten(1, -2), tokens, atol=1e-5)


def test_positions_are_interpolated_by_hand() -> None:
    """Linear in rows, in the middle of pixels: of 0 and 4, four positions get 0, 1, 3, 4."""
    from elrbench_plugins.hf.video import positions

    table = torch.tensor([0.0, 4.0]).reshape(1, 2, 1)
    assert positions(table, (1, 2, 1), (1, 2, 1)) is table
    assert positions(table, (1, 2, 1), (1, 4, 1)).flatten().tolist() == [0, 1, 3, 4]
    assert positions(table, (2, 1, 1), (1, 1, 1)).flatten().tolist() == [2]


def test_weights_are_the_checkpoints_and_scratch_is_random(catalog: Catalog, folders: dict[str, Path]) -> None:
    _, spec = added(catalog, folders["vit"])
    published = model_of("vit").state_dict()
    for seed in (0, 1):
        torch.manual_seed(seed)
        loaded: Any = build_backbone(spec, 5, weights="pretrained")[0]
        assert all(torch.equal(value, published[key]) for key, value in loaded.model.state_dict().items())
    fresh: Any = build_backbone(spec, 5)[0]
    assert not torch.equal(fresh.model.state_dict()["embeddings.cls_token"], published["embeddings.cls_token"]) or any(
        not torch.equal(value, published[key]) for key, value in fresh.model.state_dict().items()
    )


@pytest.mark.parametrize("kind", CONFIGS)
def test_levels_are_embeddings_and_blocks(catalog: Catalog, folders: dict[str, Path], kind: str) -> None:
    _, spec = added(catalog, folders[kind])
    built: Any = spec.build(5)
    levels = levels_of(built)
    blocks = {"convnext": 9, "mobilenet_v2": 19, "resnet": 5, "swin": 8}.get(kind, 5)
    assert len(levels) >= min(5, blocks)
    named = [id(parameter) for level in levels for parameter in level]
    classifier = {id(parameter) for parameter in built.fc.parameters()}
    assert sorted(named) == sorted(id(each) for each in built.parameters() if id(each) not in classifier)
    if kind in ("vit", "videomae", "vivit", "timesformer", "dinov2"):
        assert len(levels) == 5


# -- costs


@pytest.mark.parametrize("kind", ["vit", "videomae", "convnext"])
def test_attention_is_counted(catalog: Catalog, folders: dict[str, Path], kind: str) -> None:
    _, spec = added(catalog, folders[kind])
    recognizer = build_recognizer(
        backbone_spec=spec, enhancer_spec=None, classes=5, size=(32, 32), sampling=(1, 8 if kind in VIDEO else 1)
    )
    counted = count_macs(recognizer, torch.rand(1, 1, 3, 8 if kind in VIDEO else 1, 32, 32))
    assert not counted.heavy
    if kind != "convnext":  # L tokens of 16 numbers, four blocks: L² x 16 for Q K and as many for A V
        tokens = 17 if kind == "vit" else 64
        assert counted.kinds["attention"] == 4 * 2 * 16 * tokens**2


def test_work_on_meta_equals_that_on_the_processor(catalog: Catalog, folders: dict[str, Path]) -> None:
    built = network(catalog, folders["timesformer"])
    x = views("timesformer", (24, 40), 3)
    real = count_work(built, x).macs
    assert real == count_work(built.to("meta"), x.to("meta")).macs > 0


# -- runs


@pytest.fixture
def small(toy_catalog: Catalog, folders: dict[str, Path]) -> Any:
    """A function from the type of a model and fields to a catalog and a plan on the toy dataset."""

    def plan(kind: str, *settings: str, method: str = "supervised", **fields: Any) -> tuple[Catalog, Plan]:
        catalog, spec = added(toy_catalog, folders[kind])
        request = PlanRequest(
            method=method,
            dataset="toy",
            backbone=spec.name,
            budget="smoke",
            size="32x48",
            sampling="2x1" if spec.dims == 2 else "1x4",
            settings=("method.batch=12", *settings),
            **fields,
        )
        return catalog, resolve_plan(catalog, request)

    return plan


@pytest.mark.parametrize(
    ("kind", "train"), [("vit", "lora"), ("convnext", "last-2"), ("videomae", "head"), ("vivit", "all")]
)
def test_a_run_is_loaded_without_the_model(
    toy_catalog: Catalog, small: Any, tmp_path: Path, kind: str, train: str
) -> None:
    catalog, plan = small(kind, "method.epochs=1", f"method.train={train}")
    assert plan.weights == "pretrained" and json.loads(str(plan.settings["backbone.architecture"]))["config"]
    result = run(plan, catalog, RunContext(out=tmp_path / "run", cache=tmp_path / "cache"))
    assert result.record["initialisation"] == "pretrained"
    loaded = load_run(tmp_path / "run", read_record(find_record(tmp_path / "run")), toy_catalog)
    assert loaded.plan == plan and loaded.components.backbone.name == plan.backbone
    low = torch.rand(1, *loaded.sampling[:1], 3, loaded.sampling[1], 12, 16)
    assert loaded.recognizer(low).shape == (1, 3)


def test_other_processes_get_the_model(small: Any, folders: dict[str, Path], tmp_path: Path) -> None:
    catalog, plan = small("vit")
    request = request_of(plan, catalog, RunContext(out=tmp_path, cache=tmp_path))
    assert request["backbones"] == [f"hf:{folders['vit']}"]
    again, there, _ = read_request(json.loads(json.dumps(request)))
    assert again == plan and components_of(there, plan).backbone == components_of(catalog, plan).backbone


def test_a_teacher_of_another_model(toy_catalog: Catalog, folders: dict[str, Path], small: Any, tmp_path: Path) -> None:
    """The plan holds the teacher's architecture, so that it can be read without the teacher's model."""
    catalog, teacher = added(toy_catalog, folders["vit"])
    request = PlanRequest(
        method="kd", dataset="toy", backbone="toynet", budget="smoke", size="24x32", sampling="2x1",
        teacher_backbone=teacher.name, settings=("method.batch=12", "method.epochs=1", "method.joint_epochs=1"),
    )  # fmt: skip
    plan = resolve_plan(catalog, request)
    assert plan.teacher_weights == "pretrained"
    assert plan.settings["teacher_backbone.architecture"] == plan.of_teacher.settings["backbone.architecture"]
    recorded = components_of(toy_catalog, plan).teacher_backbone
    assert recorded is not None and dataclasses.replace(recorded, weights=teacher.weights) == teacher
    result = run(plan, catalog, RunContext(out=tmp_path / "run", cache=tmp_path / "cache"))
    assert [stage["name"] for stage in result.record["stages"]] == ["teacher", "student", "joint"]


@pytest.mark.parametrize(("method", "kind"), [("kd", "videomae"), ("stat", "dinov2"), ("cstat", "timesformer")])
def test_transfer_methods(small: Any, tmp_path: Path, method: str, kind: str) -> None:
    catalog, plan = small(kind, "method.epochs=1", "method.joint_epochs=1", method=method)
    result = run(plan, catalog, RunContext(out=tmp_path / "run", cache=tmp_path / "cache"))
    assert all(0 <= score["value"] <= 1 for score in result.record["scores"].values())


@pytest.mark.parametrize("modality", ["grey+dev-early", "rgb+flow-early"])
def test_early_fusion_changes_the_first_convolution(small: Any, modality: str) -> None:
    catalog, plan = small("videomae", modality=modality)
    recognizer = recognizer_of(plan, components_of(catalog, plan))
    assert recognizer(torch.rand(1, 1, 3, 4, 12, 16)).shape == (1, 3)


@pytest.mark.parametrize("kind", ["vit", "videomae", "mobilenet_v2"])
def test_it_becomes_an_onnx_file(small: Any, tmp_path: Path, kind: str) -> None:
    pytest.importorskip("onnxruntime", reason="the extra 'export' is not installed")
    from benchmark_core.networks.onnx_file import session, write_onnx

    catalog, plan = small(kind)
    recognizer = recognizer_of(plan, components_of(catalog, plan)).eval()
    low = torch.rand(1, 2 if kind not in VIDEO else 1, 3, 4 if kind in VIDEO else 1, 12, 16)
    write_onnx(recognizer, low, tmp_path / "net.onnx")
    (name,) = (each.name for each in session(tmp_path / "net.onnx", 1).get_inputs())
    (out,) = session(tmp_path / "net.onnx", 1).run(None, {name: low.numpy()})
    with torch.no_grad():
        assert torch.allclose(torch.from_numpy(out), recognizer(low), atol=1e-4)


def test_plans_of_equal_folders_are_equal(toy_catalog: Catalog, folders: dict[str, Path], tmp_path: Path) -> None:
    """Neither the path nor the time is in the plan."""
    copy = saved(tmp_path / "tiny-vit", "vit")
    one, other = (added(toy_catalog, folder)[1] for folder in (folders["vit"], copy))
    assert one.name == other.name and one.source != other.source
    assert dataclasses.replace(one, weights={}) == dataclasses.replace(other, weights={})
