"""Networks that see optical flow: what their views hold, what a flip does to it, and which plans cannot have it."""

from __future__ import annotations

import dataclasses
import importlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from test_flow import BICUBIC, INSIDE, SIZE, moving, opencv

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.clips import flow_format
from benchmark_core.clips.augment import WHOLE, cut
from benchmark_core.clips.flow import calculator, ensure_views, greyer
from benchmark_core.clips.flow_format import BOUND, FlowFormat
from benchmark_core.clips.formats import StoredFormat
from benchmark_core.clips.sampling import Sampling
from benchmark_core.clips.store import ClipStore
from benchmark_core.clips.view_plan import flow_view_plan, view_plan
from benchmark_core.clips.views import Views
from benchmark_core.cost.structure import cost_of, describe_plan
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Silent
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.runner import run
from elrbench import ElrError

__all__ = ["opencv"]  # a fixture
LEARNT = """
from elrbench import EnhancerSpec, hookimpl


@hookimpl
def elr_enhancers():
    return [EnhancerSpec(name="learnt", summary="a 1x1 convolution", factory=build)]


def build(low, size, options):
    from torch import nn

    return nn.Sequential(nn.Upsample(size), nn.Conv2d(3, 3, 1))
"""


def asked(catalog: Catalog, **fields: object) -> Plan:
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    settings = ("method.batch=12", "method.epochs=1")
    return resolve_plan(catalog, PlanRequest(**{**usual, "modality": "flow", "settings": settings, **fields}))


# -- views


@pytest.mark.usefixtures("opencv")
def test_views_of_a_translation_hold_it_in_units_of_the_bound(toy_catalog: Catalog, tmp_path: Path) -> None:
    """4 pixels across and 2 up a frame, in the high view and in the low one brought to the same size."""
    degradation = toy_catalog.degradations["average-12x16"]
    planned = flow_view_plan(view_plan(degradation, {"sigma_noise": 0.0}, size=SIZE), "dis", BICUBIC)
    store, clip = ClipStore(tmp_path), moving(4, -2, frames=6, smooth=6.0)
    seen: list[tuple[int, int]] = []
    report = ensure_views(
        store,
        [clip],
        planned.formats(low=True, high=True),
        progress=lambda done, total: seen.append((done, total)),
        workers=1,
    )
    assert (report.built, report.bad) == (1, ()) and seen[-1] == (1, 1) and seen == sorted(seen)
    views = Views([clip], store, planned, sampling=Sampling.parse("2x2"), classes=2, high=True)
    batch = views.to_device(views.read([clip]), "cpu")
    for view in (batch.low, batch.high):
        assert isinstance(view, torch.Tensor) and view.shape == (1, 2, 2, 2, *SIZE) and view.dtype == torch.float32
        across, down = (view[:, :, channel, ..., 8:-8, 8:-8] * BOUND for channel in (0, 1))
        assert abs(across.median() - 4) < 0.6 and abs(down.median() + 2) < 0.6


@pytest.mark.usefixtures("opencv")
def test_no_motion_is_zero_and_the_bounds_are_one(toy_catalog: Catalog, tmp_path: Path) -> None:
    planned = flow_view_plan(view_plan(toy_catalog.degradations["average-12x16"], {}, size=SIZE), "dis", BICUBIC)
    store, clip = ClipStore(tmp_path), moving(0, 0)
    ensure_views(store, [clip], planned.formats(low=False, high=True))
    views = Views([clip], store, planned, sampling=Sampling.parse("1x2"), classes=2, low=False, high=True)
    host = views.read([clip])
    assert views.to_device(host, "cpu").high.abs().max() == 0
    ends = torch.tensor([1, 255], dtype=torch.uint8).reshape(1, 1, 2, 1, 1, 1)
    assert views.to_device(dataclasses.replace(host, high=ends), "cpu").high.flatten().tolist() == [-1, 1]


@pytest.mark.usefixtures("opencv")
def test_a_low_view_is_enlarged_by_the_enhancer_before_its_flow(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 3, 12, 16), dtype=np.uint8)
    source = StoredFormat(kind="low", size=(12, 16), aspect=(3, 4))
    nearest = FlowFormat(source=source, enlarge=BICUBIC.replace("bicubic", "nearest"), size=(24, 32))
    red, green, blue = frames.astype(np.float64).transpose(1, 0, 2, 3)
    grey = np.rint(0.299 * red + 0.587 * green + 0.114 * blue)
    assert np.abs(greyer(nearest)(frames) - grey.repeat(2, 1).repeat(2, 2)).max() <= 1  # of 255: how a half is rounded
    smooth = greyer(FlowFormat(source=source, enlarge=BICUBIC, size=(24, 32)))(frames)
    assert smooth.shape == (3, 24, 32) and np.abs(smooth - grey.repeat(2, 1).repeat(2, 2)).mean() > 5


# -- the augmentation box


def test_a_flip_turns_round_what_goes_across_and_a_crop_keeps_displacements() -> None:
    field = torch.stack([torch.full((2, 8, 12), 0.2), torch.full((2, 8, 12), 0.1)])[None]  # (1, 2, T, H, W)
    flipped = cut(field, torch.tensor([[0.1, 0.2, 0.66, 0.75, 1.0]]), flow=True)
    assert torch.allclose(flipped[:, 0], torch.tensor(-0.2)) and torch.allclose(flipped[:, 1], torch.tensor(0.1))
    assert torch.allclose(cut(field, torch.tensor([[0.1, 0.2, 0.66, 0.75, 0.0]]), flow=True), field)
    noise = torch.rand(1, 2, 3, 8, 12)
    assert torch.equal(cut(noise, torch.tensor([WHOLE]), flow=True), noise)


@pytest.mark.usefixtures("opencv")
def test_flipped_flow_is_the_flow_of_the_flipped_pictures() -> None:
    before, after = next(iter(moving(3, -2, frames=2).source.render(moving(3, -2, frames=2).source.key))).planes[0]
    calculate = calculator("dis")
    due = calculate(np.ascontiguousarray(before[:, ::-1]), np.ascontiguousarray(after[:, ::-1]))
    field = torch.from_numpy(calculate(before, after).copy())[None, :, None]  # (1, 2, 1, H, W)
    flipped = cut(field, torch.tensor([[0.0, 0.0, 1.0, 1.0, 1.0]]), flow=True)[0, :, 0].numpy()
    assert np.abs(flipped - due)[INSIDE].max() < 0.5 and np.median(due[0]) < -2


# -- the network


def test_a_network_for_flow_has_two_channels_and_no_enhancer(toy_catalog: Catalog) -> None:
    plan = asked(toy_catalog)
    components = components_of(toy_catalog, plan)
    torch.manual_seed(0)
    sees = recognizer_of(plan, components)
    torch.manual_seed(0)
    colour = recognizer_of(dataclasses.replace(plan, modality="rgb"), components)
    first, of_colour = sees.backbone.stages[0][0].weight, colour.backbone.stages[0][0].weight
    assert sees.channels == 2 and first.shape == (8, 2, 3, 3)
    assert torch.allclose(first[:, 0], of_colour.mean(1)) and torch.equal(first[:, 0], first[:, 1])
    view = torch.rand(2, 2, 2, 1, 24, 32) * 2 - 1
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0, 1.0]]).expand(2, 5)
    image = sees.trace(view, box=boxes).image
    turned = view.flip(-1) * torch.tensor([-1, 1]).reshape(2, 1, 1, 1)
    assert torch.allclose(image, turned.flatten(0, 1)[:, :, 0], atol=1e-5)
    assert recognizer_of(plan, components)(view).shape == (2, 3)


def test_flow_is_costed_with_its_channels_and_calculating_it_apart(toy_catalog: Catalog) -> None:
    plan = asked(toy_catalog)
    components = components_of(toy_catalog, plan)
    described, colour = (describe_plan(one, components) for one in (plan, dataclasses.replace(plan, modality="rgb")))
    assert (described["modality"], described["enhancer"], described["low"]) == ("flow", "none", [24, 32])
    assert "modality" not in colour
    low = (24, 32)
    record = cost_of(recognizer_of(plan, components), described, low, torch.device("cpu"))
    at_size = recognizer_of(dataclasses.replace(plan, modality="rgb"), components, high=True)
    other = cost_of(at_size, {**described, "modality": "rgb"}, low, torch.device("cpu"))
    assert other["params"]["total"] - record["params"]["total"] == 8 * 9  # one input of the first 3x3, 8 filters
    assert other["macs"]["view"] - record["macs"]["view"] == 8 * 9 * 12 * 16  # at half the view's sides
    assert "flow" not in other and (record["flow"] is None or record["flow"]["field"] > 0)


# -- plans


def test_a_plan_says_which_flow(toy_catalog: Catalog) -> None:
    assert asked(toy_catalog, modality="flow:tvl1").modality == "flow:tvl1"
    fused = asked(toy_catalog, modality="rgb+flow:tvl1")
    assert [part.modality for part in fused.streams] == ["rgb", "flow:tvl1"]
    assert fused.streams[1].digest == asked(toy_catalog, modality="flow:tvl1").digest
    with pytest.raises(ElrError, match="unknown modality 'flwo'. Did you mean 'flow'"):
        asked(toy_catalog, modality="flwo")


@pytest.mark.usefixtures("opencv")
def test_stored_flow_and_stages_of_it_have_keys_of_their_own(toy_catalog: Catalog) -> None:
    plans = [asked(toy_catalog, modality=name) for name in ("rgb", "flow", "flow:tvl1")]
    plans += [asked(toy_catalog, modality="flow", enhancer="nearest")]
    stocks = [view_plan_of(plan, components_of(toy_catalog, plan)) for plan in plans]
    assert len({planned.low.key for planned in stocks}) == 4
    assert len({planned.high.key for planned in stocks}) == 3  # a high view is not enlarged


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"degradation": "bicubic-14x14"}, "degradation 'bicubic-14x14' makes new low views"),
        ({"method": "cstat", "dataset": "tiny-puppets"}, "degradation 'native' makes new low views"),
        ({"enhancer": "learnt"}, "enhancer 'learnt' has parameters to train; choose an --enhancer without any"),
    ],
)
@pytest.mark.parametrize("modality", ["flow", "rgb+flow"])
def test_what_flow_cannot_be_made_of_is_refused(
    toy_catalog: Catalog, tmp_path: Path, fields: dict[str, str], message: str, modality: str
) -> None:
    path = tmp_path / "learnt.py"
    path.write_text(LEARNT)
    names = ("cstat", "degradations", "interpolation", "puppets", "supervised")
    toy = str(Path(__file__).with_name("toy.py"))
    catalog = load_catalog([*(f"elrbench_plugins.{name}" for name in names), toy, str(path)], entry_points=False)
    asked(catalog, modality="rgb", **fields)
    with pytest.raises(ElrError, match=message):
        asked(catalog, modality=modality, **fields)


def test_one_teacher_is_not_for_two_networks(toy_catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="--teacher gives one network"):
        asked(toy_catalog, method="cstat", modality="rgb+flow", teacher="teacher@0123456789abcdef")


@pytest.mark.parametrize("modality", ["flow", "rgb+flow"])
def test_without_the_extra_a_run_ends_before_data_is_touched(
    toy_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, modality: str
) -> None:
    real = importlib.import_module

    def absent(name: str) -> object:
        if name == "cv2":
            raise ImportError("No module named 'cv2'")
        return real(name)

    monkeypatch.setattr(flow_format.importlib, "import_module", absent)
    monkeypatch.setattr("benchmark_core.runs.lists.read_index", lambda *given: pytest.fail("data was touched"))
    out, cache = tmp_path / "out", tmp_path / "cache"
    context = RunContext(out=out, cache=cache)
    with pytest.raises(ElrError, match=r"the extra 'flow': pip install -e '\.\[flow\]'"):
        run(asked(toy_catalog, modality=modality), toy_catalog, context)


# -- a run


@pytest.mark.usefixtures("opencv")
def test_clips_as_recorded_have_flow_at_network_size(toy_catalog: Catalog, tmp_path: Path) -> None:
    settings = ("dataset.train=12", "dataset.test=6", "method.batch=6", "method.epochs=1")
    plan = asked(toy_catalog, dataset="tiny-puppets", settings=settings)
    result = run(
        plan, toy_catalog, RunContext(data=None, out=tmp_path / "out", cache=tmp_path / "c", reporter=Silent())
    )
    assert result.record["plan"]["modality"] == "flow" and result.record["clips"]["test"] == 6
    (cost,) = (tmp_path / "out").glob("toynet-flow-none-*.json")
    assert json.loads(cost.read_text())["low_size"] == [24, 32]
