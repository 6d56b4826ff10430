"""Feature maps of Purwanto's system: their shapes, their costs, and what the attention network learns from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from purwanto_plans import TOY, plan_of
from test_purwanto_attention import peak

from benchmark_core.catalog import Catalog
from benchmark_core.cost.streams import costs_of_plan
from benchmark_core.networks.assemble import build_backbone, map_shape, recognizer_of
from benchmark_core.plans.combinations import Components
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import components_of
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.prepare import Data, prepare
from benchmark_core.training.seeds import seed_of
from benchmark_core.training.training import Training, build_training
from elrbench_plugins.purwanto.attention import SpatialTemporalAttention
from elrbench_plugins.purwanto.fit import features

OWNERS = dict.fromkeys(("dataset", "degradation", "enhancer", "backbone", "method"), "elrbench")
CPU = torch.device("cpu")


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
