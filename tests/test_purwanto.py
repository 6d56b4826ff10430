"""Purwanto's system: its numbers, the rows of Table 2, stages that are shared, whole runs, and what is refused."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_purwanto_attention import peak

from benchmark_core.catalog import Catalog, Section
from benchmark_core.clips import flow_format
from benchmark_core.clips.view_plan import ViewPlan
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.networks.assemble import build_backbone, map_shape, recognizer_of
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.training.recipe import Recipe
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.training import Training, build_training
from elrbench import ElrError
from elrbench_plugins.purwanto.attention import SpatialTemporalAttention
from elrbench_plugins.purwanto.fit import features

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
CPU = torch.device("cpu")
ROWS = {  # Table 2: super-resolution, distillation, attention
    "two-stream": (False, False, False),
    "sr": (True, False, False),
    "kd": (False, True, False),
    "sa": (False, False, True),
    "kd+sa": (False, True, True),
    "sr+kd": (True, True, False),
    "sr+kd+sa": (True, True, True),
}
TOY = {"dataset": "toy", "backbone": "toynet", "size": "24x32", "sampling": "2x1", "budget": "smoke"}


def plan_of(catalog: Catalog, method: str, *settings: str, **changes: Any) -> Plan:
    return resolve_plan(catalog, PlanRequest(method=method, settings=settings, **{"dataset": "hmdb51", **changes}))


def go(catalog: Catalog, plan: Plan, work: Path, **more: Any) -> RunResult:
    out = work / "runs" / plan.digest
    return run(plan, catalog, RunContext(data=None, out=out, cache=work / "cache", reporter=Silent(), **more))


# -- numbers


@pytest.mark.parametrize(("row", "parts"), ROWS.items())
def test_the_paper_budget_is_table_1_and_table_2(catalog: Catalog, row: str, parts: tuple[bool, bool, bool]) -> None:
    plan = plan_of(catalog, f"purwanto:{row}")
    options = plan.options("method")
    assert (plan.enhancer == "d-dbpn", options["kd"], options["sa"]) == parts
    assert (plan.backbone, plan.size, plan.sampling, plan.modality) == ("i3d", (224, 224), "windows-64", "rgb+flow")
    table_1 = {
        "optimiser": "adam", "lr": 1e-4, "epochs": 20, "joint_epochs": 20, "temperature": 5.0,
        "head_lr": 2e-4, "head_epochs": 100, "heads": 8, "activation": "relu",
    }  # fmt: skip
    assert {key: options[key] for key in table_1} == table_1 and options["schedule"] == "constant"
    assert options["start"] == "fresh"  # rows with a teacher have no more updates than those without


def test_the_bare_name_is_the_last_row(catalog: Catalog) -> None:
    assert plan_of(catalog, "purwanto") == plan_of(catalog, "purwanto:sr+kd+sa")
    assert plan_of(catalog, "purwanto:sa+kd+sr").method == "purwanto:sr+kd+sa"


def test_super_resolution_leads_to_the_networks_size(catalog: Catalog) -> None:
    def enhanced(plan: Plan) -> torch.nn.Module:
        components = components_of(catalog, plan)
        with torch.device("meta"):
            return components.enhancer.build(
                components.degradation.low, plan.size, components.options(plan, "enhancer")
            )

    paper = plan_of(catalog, "purwanto:sr")
    module = enhanced(paper)  # 12x16 by 8 to 96x128, then to 224x224
    assert (module.network.scale, module.to_made.size, module.to_size.size) == (8, (96, 128), (224, 224))
    small = plan_of(catalog, "purwanto:sr", budget="small", dataset="puppets")
    assert (small.enhancer, small.size, small.sampling, small.modality) == ("dbpn-s", (64, 84), "windows-16", "rgb")
    module = enhanced(small)  # by 4 to 48x64, then to 64x84
    assert (module.network.scale, module.to_made.size, module.to_size.size) == (4, (48, 64), (64, 84))
    exact = plan_of(catalog, "purwanto:sr", "enhancer.resize=false", budget="small", dataset="puppets", size="48x64")
    assert exact.size == (48, 64)  # --set stands over what a variant says of its enhancer


@pytest.mark.parametrize("budget", ["paper", "small", "smoke"])
def test_a_row_stands_for_its_enhancer(catalog: Catalog, budget: str) -> None:
    stands = "d-dbpn" if budget == "paper" else "dbpn-s"
    assert plan_of(catalog, "purwanto", budget=budget, enhancer=stands).enhancer == stands
    with pytest.raises(ElrError, match=f"'purwanto:sr.kd.sa' fixes enhancer {stands}; remove --enhancer bicub"):
        plan_of(catalog, "purwanto", budget=budget, enhancer="bicubic")
    assert plan_of(catalog, "purwanto:kd+sa", budget=budget, enhancer="bicubic").enhancer == "bicubic"


def test_variants_of_the_head(catalog: Catalog) -> None:
    for method in ("st-mhsa", "purwanto"):
        plain, softmax, literal = (
            plan_of(catalog, name) for name in (method, f"{method}:softmax", f"{method}:literal")
        )
        assert (plain.settings["method.attention"], plain.settings["method.dropout"]) == ("printed", 0.1)
        assert (softmax.settings["method.attention"], softmax.settings["method.dropout"]) == ("softmax", 0.1)
        assert (literal.settings["method.attention"], literal.settings["method.dropout"]) == ("printed", 0.9)
        assert plan_of(catalog, f"{method}:no-attention").settings["method.attention"] == "none"
    whole = plan_of(catalog, "purwanto:sr+kd+sa+softmax")
    assert (whole.enhancer, whole.settings["method.kd"], whole.settings["method.sa"]) == ("d-dbpn", True, True)
    assert softmax.settings["method.sa"] and softmax.enhancer == "bicubic"


@pytest.mark.parametrize("budget", ["paper", "small"])
def test_flow_is_of_the_same_frames_in_all_rows(catalog: Catalog, budget: str) -> None:
    """What super-resolution is to show is not a change of interpolation in the stream that does without it."""
    pytest.importorskip("cv2")

    def flow_of(method: str) -> ViewPlan:
        plan = plan_of(catalog, method, budget=budget, dataset="puppets", modality="flow")
        return view_plan_of(plan, components_of(catalog, plan))

    assert flow_of("purwanto:two-stream") == flow_of("purwanto:sr") == flow_of("purwanto")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"rs:enhancer": "dbpn"},
            "unknown variant in a budget of method 'purwanto': 'rs'. Known: kd, .*, sr, two-stream",
        ),
        ({"sr:enhancre": "dbpn"}, "unknown plan field in a budget .* 'enhancre'. Did you mean 'enhancer'?"),
        ({"sr:enhancer.scael": 4}, "a budget of .* sets 'enhancer.scael', an option that none of them has"),
    ],
)
def test_what_a_budget_says_of_variants_is_checked(catalog: Catalog, changes: dict[str, Any], message: str) -> None:
    spec = dataclasses.replace(catalog.methods["purwanto"], budgets={"paper": changes})
    changed = dataclasses.replace(catalog, methods=Section("method", {**catalog.methods, "purwanto": spec}))
    with pytest.raises(ElrError, match=message):
        plan_of(changed, "purwanto")


def test_the_spec_imports_no_torch() -> None:
    check = "import sys, elrbench_plugins.purwanto, elrbench_plugins.purwanto.check; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


# -- shapes and costs


def test_a_chunk_of_64_frames_at_224_is_8x7x7x1024(catalog: Catalog) -> None:
    plan = plan_of(catalog, "st-mhsa")
    recognizer = recognizer_of(plan, components_of(catalog, plan))
    assert map_shape(recognizer.backbone, (3, 64, 224, 224)) == (1024, 8, 7, 7)
    head = recognizer.head
    assert isinstance(head, SpatialTemporalAttention) and head.fc.in_features == 7 * 7 * 1024 == 50_176
    assert tuple(head.conv.weight.shape) == (128, 128, 1, 3, 5)


@pytest.mark.parametrize("name", ["toynet", "efficientnet-lite0", "i3d", "c3d"])
def test_map_shapes_are_what_a_view_gives(toy_catalog: Catalog, name: str) -> None:
    spec = toy_catalog.backbones[name]
    backbone, _ = build_backbone(spec, 3)
    view = (3, 16, 48, 64) if spec.dims == 3 else (3, 48, 64)
    state = torch.random.get_rng_state()
    shape = map_shape(backbone, view)
    assert torch.equal(torch.random.get_rng_state(), state)
    with torch.no_grad():
        assert shape == tuple(backbone.eval().forward_features(torch.rand(1, *view))[-1].shape[1:])


def test_costs_hold_the_head_and_follow_its_shape(toy_catalog: Catalog) -> None:
    def cost(method: str, *settings: str) -> dict[str, Any]:
        plan = plan_of(toy_catalog, method, *settings, **TOY)
        (found,) = costs_of_plan(plan, components_of(toy_catalog, plan), CPU)
        return found

    plain, attends, softmax = (cost(f"purwanto:{row}") for row in ("two-stream", "sa", "softmax"))
    assert plain["params"]["head"] == 0 < attends["params"]["head"] == softmax["params"]["head"]
    assert plain["macs"]["clip"] < attends["macs"]["clip"] != softmax["macs"]["clip"]
    assert attends["understated"] == softmax["understated"] == []
    assert len({each["structure"] for each in (plain, attends, softmax)}) == 3
    assert cost("purwanto:literal")["structure"] == attends["structure"]  # dropout costs nothing


# -- features


def prepared(catalog: Catalog, plan: Plan, cache: Path) -> tuple[Components, Data, Training]:
    components = components_of(catalog, plan)
    data = prepare(plan, components, RunContext(out=cache, cache=cache))
    training = build_training(
        plan=plan,
        components=components,
        inputs=data.stage_inputs(OWNERS),
        make_views=data.training_views,
        device=CPU,
        cache=cache,
        reporter=Silent(),
    )
    return components, data, training


@pytest.mark.parametrize(("dataset", "size"), [("toy", "24x32"), ("tiny-puppets", "32x32")])
def test_features_are_the_maps_of_all_chunks_in_order(
    toy_catalog: Catalog, tmp_path: Path, dataset: str, size: str
) -> None:
    settings = ("dataset.train=6", "dataset.test=2")
    plan = plan_of(
        toy_catalog, "st-mhsa", *settings,
        dataset=dataset, backbone="toynet", size=size, sampling="windows-1", budget="smoke",
    )  # fmt: skip
    _, _, training = prepared(toy_catalog, plan, tmp_path)
    network = training.recognizer(head="mean-logits").eval()
    views = training.views("train", whole=True)
    batch = views.to_device(views.read(views.clips[:1]), CPU)
    with torch.no_grad():
        found = features(training, network, batch)
        whole = network.trace(batch.low, batch.mask).stages[-1]
    assert len(found) == batch.mask.shape[1] > 1 and torch.allclose(found, whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("clips", ["one-size", "their-own"])
def test_a_long_clip_takes_the_memory_of_one_chunk(catalog: Catalog, clips: str) -> None:
    native = {"dataset": "tiny-puppets"} if clips == "their-own" else {"dataset": "puppets"}
    plan = plan_of(catalog, "st-mhsa", **native, backbone="i3d", size="32x32", sampling="windows-8", budget="smoke")
    network = recognizer_of(plan, components_of(catalog, plan)).eval()
    low: Any = torch.rand(2, 8, 3, 8, 12, 16)
    low = list(low) if clips == "their-own" else low

    def once(chunks: int) -> Any:
        with torch.no_grad():
            return network([clip[:chunks] for clip in low] if isinstance(low, list) else low[:, :chunks])

    with torch.no_grad():
        assert torch.allclose(once(8), network.trace(low).logits, rtol=1e-3, atol=1e-3)
        assert torch.allclose(network.maps(low), network.trace(low).features, rtol=1e-4, atol=1e-4)
    one, eight = (peak(lambda chunks=chunks: once(chunks)) for chunks in (1, 8))
    assert eight < 1.3 * one < peak(lambda: network.trace(low))


def test_the_head_learns_what_it_is_scored_on(toy_catalog: Catalog, tmp_path: Path) -> None:
    """The first loss of the attention stage, of the deployed recognizer: as initialised, on every clip's own views."""
    settings = (
        "dataset.train=12",
        "method.head_batch=12",
        "method.head_epochs=1",
        "method.head_lr=0",
        "method.dropout=0",
    )
    plan = plan_of(toy_catalog, "st-mhsa", *settings, **TOY)
    components, data, training = prepared(toy_catalog, plan, tmp_path)
    network = components.method.load(components.method.fit)(training)
    student, attention = training.stages
    assert (student["name"], attention["name"], attention["updates"]) == ("student", "attention", 1)
    views = data.training_views(low=True, high=False, seed=0, whole=True)
    batch = views.to_device(views.read(views.clips), CPU)
    with torch.no_grad():
        logits = network.eval()(batch.low, batch.mask).double().numpy()
    likelihood = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.log(likelihood[np.arange(12), batch.target.numpy()]).mean()
    assert attention["history"][0]["loss"] == pytest.approx(expected, abs=1e-4)  # features are kept as float16
    assert seed_of(0, "attention", "views") != seed_of(0, "student", "views")


# -- runs


@pytest.fixture(scope="module")
def rows(toy_catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The record of every row of Table 2, on one cache, in the table's order."""
    work = tmp_path_factory.mktemp("rows")
    settings = ("dataset.train=8", "dataset.test=6", "method.head_batch=4")
    records = {}
    for row in ROWS:
        sr = ("enhancer.scale=2",) if "sr" in row.split("+") else ()
        records[row] = go(toy_catalog, plan_of(toy_catalog, f"purwanto:{row}", *settings, *sr, **TOY), work).record
    return records


def test_every_row_runs(rows: dict[str, Any]) -> None:
    stages = {row: [stage["name"] for stage in record["stages"]] for row, record in rows.items()}
    assert stages == {
        "two-stream": ["student"],
        "sr": ["dbpn", "student"],
        "kd": ["teacher", "student"],
        "sa": ["student", "attention"],
        "kd+sa": ["teacher", "student", "attention"],
        "sr+kd": ["teacher", "dbpn", "student"],
        "sr+kd+sa": ["teacher", "dbpn", "student", "attention"],
    }
    for record in rows.values():
        assert record["clips"]["test"] == 6 and all(count > 0 for count in record["updates"].values())
    assert rows["sa"]["updates"]["attention"] == 2 * 2  # passes over 8 clips, 4 at once


def test_rows_share_what_they_train(rows: dict[str, Any]) -> None:
    keys = {
        (row, stage["name"]): (stage["key"], stage["reused"])
        for row, record in rows.items()
        for stage in record["stages"]
    }
    for name, first, *others in [
        ("student", "two-stream", "sa"),
        ("student", "kd", "kd+sa"),
        ("student", "sr+kd", "sr+kd+sa"),
        ("teacher", "kd", "kd+sa", "sr+kd", "sr+kd+sa"),
        ("dbpn", "sr", "sr+kd", "sr+kd+sa"),
    ]:
        assert not keys[first, name][1]
        assert all(keys[other, name] == (keys[first, name][0], True) for other in others)
    apart = [keys[row, "student"][0] for row in ("two-stream", "sr", "kd", "sr+kd")]
    apart += [keys[row, "attention"][0] for row in ("sa", "kd+sa", "sr+kd+sa")]
    assert len(set(apart)) == 7


def test_the_attention_network_alone_is_its_own_method(toy_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("dataset.train=8", "dataset.test=6", "method.head_batch=4")
    row = go(toy_catalog, plan_of(toy_catalog, "purwanto:sa", *settings, **TOY), tmp_path).record
    alone = go(toy_catalog, plan_of(toy_catalog, "st-mhsa", *settings, **TOY, enhancer="bicubic"), tmp_path).record
    assert [stage["reused"] for stage in alone["stages"]] == [True, True]
    assert alone["scores"] == row["scores"]


class Killed(Exception):
    """What stops a run in these tests."""


@pytest.mark.parametrize("updates", [1, 5])
def test_a_killed_attention_stage_ends_as_one_that_was_not(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, updates: int
) -> None:
    settings = (
        "dataset.train=12",
        "dataset.test=6",
        "method.head_batch=4",
        "method.head_epochs=4",
        "method.dropout=0.5",
    )
    plan = plan_of(toy_catalog, "st-mhsa", *settings, **TOY)
    whole = go(toy_catalog, plan, tmp_path / "whole")
    step, taken = Recipe.step, itertools.count()

    def killed(recipe: Recipe, loss: torch.Tensor) -> None:
        if isinstance(recipe.peak, float) and recipe.peak == 2e-4 and next(taken) == updates:
            raise Killed
        step(recipe, loss)

    monkeypatch.setattr(Recipe, "step", killed)
    with pytest.raises(Killed):
        go(toy_catalog, plan, tmp_path / "killed")
    again = go(toy_catalog, plan, tmp_path / "killed")
    assert [stage["reused"] for stage in again.record["stages"]] == [True, False]
    weights = [(each.folder / "recognizer.safetensors").read_bytes() for each in (whole, again)]
    assert weights[0] == weights[1] and whole.record["predictions"] == again.record["predictions"]
    logs = [json.loads((each.folder / "log.json").read_text())["attention"] for each in (whole, again)]
    assert [row["loss"] for row in logs[0]] == [row["loss"] for row in logs[1]] and len(logs[0]) == 4


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["rgb", "rgb+flow"])
def test_the_smoke_budget_on_chunks(catalog: Catalog, tmp_path: Path, modality: str) -> None:
    """Super-resolution, distillation and attention on a 3D backbone, on few clips."""
    if modality != "rgb":
        pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    asked = {"dataset": "puppets", "budget": "smoke", "size": "32x42", "sampling": "windows-8", "modality": modality}
    settings = ("dataset.train=4", "dataset.test=3", "dataset.frames=12")
    record = go(catalog, plan_of(catalog, "purwanto", *settings, **asked), tmp_path).record
    rgb, flow = ["teacher", "dbpn", "student", "attention"], ["teacher", "student", "attention"]
    each = {"rgb": rgb, "rgb+flow": [*(f"rgb {name}" for name in rgb), *(f"flow {name}" for name in flow)]}
    assert [stage["name"] for stage in record["stages"]] == each[modality]
    costs = [json.loads(path.read_text()) for path in (tmp_path / "runs").rglob("resnet3d-18-*.json")]
    assert costs and all(cost["understated"] == [] for cost in costs)


@pytest.mark.slow
def test_two_streams(toy_catalog: Catalog, tmp_path: Path) -> None:
    cv2 = pytest.importorskip("cv2", reason="the extra 'flow' is not installed")
    if not hasattr(cv2, "optflow"):
        pytest.skip("OpenCV is here without its contrib modules")
    settings = ("dataset.train=8", "dataset.test=6", "method.head_batch=4", "enhancer.scale=2")
    plan = plan_of(toy_catalog, "purwanto", *settings, **TOY, modality="rgb+flow")
    record = go(toy_catalog, plan, tmp_path).record
    stages = {f"rgb {name}" for name in ("teacher", "dbpn", "student", "attention")}
    assert set(record["updates"]) == stages | {f"flow {name}" for name in ("teacher", "student", "attention")}


# -- what is refused


@pytest.mark.parametrize("method", ["st-mhsa", "purwanto", "purwanto:softmax"])
def test_heads_that_do_not_divide_the_channels(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr("benchmark_core.runs.lists.read_index", lambda *given: pytest.fail("data was touched"))
    with pytest.raises(ElrError) as caught:
        plan_of(catalog, method, "method.heads=6")
    assert str(caught.value).endswith(
        "6 heads do not divide the 1024 channels of backbone 'i3d'; set method.heads to one of 1, 2, 4, 8, 16, 32, 64"
    )
    with pytest.raises(ElrError, match="512 channels of backbone 'c3d'"):  # of the map, not of its pooled 4096
        plan_of(catalog, method, "method.heads=7", backbone="c3d")
    assert plan_of(catalog, "purwanto:kd", "method.heads=6").settings["method.heads"] == 6  # a row without attention


@pytest.mark.parametrize("modality", ["flow", "rgb+flow"])
def test_a_flow_stream_without_the_extra(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    real = importlib.import_module

    def absent(name: str) -> object:
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name)

    monkeypatch.setattr(flow_format.importlib, "import_module", absent)
    monkeypatch.setattr("benchmark_core.runs.lists.read_index", lambda *given: pytest.fail("data was touched"))
    plan = plan_of(toy_catalog, "purwanto:kd+sa", **TOY, modality=modality)
    with pytest.raises(ElrError, match=r"the extra 'flow': pip install -e '\.\[flow\]'"):
        go(toy_catalog, plan, tmp_path)


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        (
            "purwanto:sa",
            {"modality": "rgb", "teacher": "teacher@0123456789abcdef"},
            "'purwanto:sa' has no distillation .*; remove --teacher",
        ),
        (
            "purwanto:sa",
            {"modality": "rgb", "dataset": "tinyvirat", "high_source": "virat-crops"},
            "'purwanto:sa'.*enhancer 'bicubic'.*'virat-crops'; remove --high-source",
        ),
        ("purwanto:kd+sr", {"budget": "small", "size": "60x80"}, None),  # brought to any size
        ("purwanto:kd", {"teacher": "teacher@0123456789abcdef"}, "--teacher gives one network, but rgb.flow needs two"),
        ("st-mhsa", {"teacher": "teacher@0123456789abcdef"}, "does not use a trained teacher; remove --teacher"),
    ],
)
def test_what_a_row_does_not_read_is_refused(
    catalog: Catalog, method: str, changes: dict[str, str], message: str | None
) -> None:
    if message is None:
        plan_of(catalog, method, **changes)
        return
    with pytest.raises(ElrError, match=message) as caught:
        plan_of(catalog, method, **changes)
    assert "\n" not in str(caught.value)
