"""Learnt enhancers: trained first, in one stage that all methods share, and then frozen."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUILTINS, TOY
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from benchmark_core.catalog import Catalog, load_catalog
from benchmark_core.clips.enhanced import AT_ONCE, Enhanced, Enhancer, enhanced_view_plan, ensure_enhanced
from benchmark_core.clips.sampling import Sampling
from benchmark_core.cost.structure import cost_of, describe_plan
from benchmark_core.networks.assemble import recognizer_of
from benchmark_core.plans.plan import Plan
from benchmark_core.plans.resolve import PlanRequest, components_of, resolve_plan
from benchmark_core.plans.stored_views import view_plan_of
from benchmark_core.progress import Silent
from benchmark_core.provenance import owners_of
from benchmark_core.runs.context import RunContext
from benchmark_core.runs.loaded_run import load_run, predict_clips
from benchmark_core.runs.prepare import prepare
from benchmark_core.runs.runner import RunResult, run
from benchmark_core.runs.time_estimate import StageTimer, estimate_times
from elrbench import ElrError

HERE = Path(__file__).parent
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def learnt_catalog() -> Catalog:
    plugins = [*(f"elrbench_plugins.{name}" for name in BUILTINS), str(TOY), str(HERE / "learnt.py")]
    return load_catalog(plugins, entry_points=False)


def asked(catalog: Catalog, *settings: str, **fields: Any) -> Plan:
    usual = {"method": "supervised", "dataset": "toy", "backbone": "toynet", "budget": "smoke", "size": "24x32"}
    given = {**usual, "enhancer": "framewise", **fields}
    loops = ("method.joint_epochs=1",) if given["method"].startswith("cstat") else ()
    return resolve_plan(
        catalog, PlanRequest(**given, settings=("method.batch=12", "method.epochs=1", *loops, *settings))
    )


def go(catalog: Catalog, plan: Plan, work: Path) -> RunResult:
    return run(plan, catalog, RunContext(data=None, out=work / plan.digest, cache=work / "cache", reporter=Silent()))


def weights(result: RunResult) -> dict[str, Tensor]:
    return {
        name: value
        for name, value in load_file(result.folder / "recognizer.safetensors").items()
        if name.startswith("enhancer.")
    }


def stages(result: RunResult) -> dict[str, tuple[str, bool]]:
    return {stage["name"]: (stage["key"], stage["reused"]) for stage in result.record["stages"]}


# -- the stage


def test_it_is_trained_once_for_all_methods_backbones_and_samplings(learnt_catalog: Catalog, tmp_path: Path) -> None:
    first = go(learnt_catalog, asked(learnt_catalog), tmp_path)
    assert list(stages(first)) == ["filter", "student"] and not stages(first)["filter"][1]
    assert first.record["updates"]["filter"] == 3 * (24 // 4)  # the enhancer's own budget says three epochs
    fitted = weights(first)
    identity = nn.Conv2d(3, 3, 3)
    nn.init.dirac_(identity.weight)
    assert fitted["enhancer.filter.weight"].shape == (3, 3, 3, 3)
    assert not torch.equal(fitted["enhancer.filter.weight"], identity.weight)

    others = {
        "method": asked(learnt_catalog, method="cstat:sat"),
        "backbone": asked(learnt_catalog, backbone="resnet18", size="24x32"),
        "sampling": asked(learnt_catalog, sampling="3x1"),
    }
    for what, plan in others.items():
        result = go(learnt_catalog, plan, tmp_path)
        assert stages(result)["filter"] == (stages(first)["filter"][0], True), what
        assert all(torch.equal(value, fitted[name]) for name, value in weights(result).items()), what


def test_its_numbers_reach_the_keys_of_all_that_follows(learnt_catalog: Catalog, tmp_path: Path) -> None:
    one = stages(go(learnt_catalog, asked(learnt_catalog), tmp_path))
    other = stages(go(learnt_catalog, asked(learnt_catalog, "enhancer.lr=0.01"), tmp_path))
    assert one["filter"][0] != other["filter"][0] and one["student"][0] != other["student"][0]
    assert not other["student"][1]


def test_enhancers_that_fit_alike_share_the_fit_but_not_what_follows(learnt_catalog: Catalog, tmp_path: Path) -> None:
    one = go(learnt_catalog, asked(learnt_catalog), tmp_path)
    other = go(learnt_catalog, asked(learnt_catalog, "enhancer.epochs=3", enhancer="framewise-too"), tmp_path)
    assert stages(other)["filter"] == (stages(one)["filter"][0], True)
    assert stages(other)["student"][0] != stages(one)["student"][0]


def test_one_that_a_classifier_teaches_depends_on_the_backbone(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plans = [asked(learnt_catalog, enhancer="taught", backbone=name) for name in ("toynet", "resnet18")]
    keys = [stages(go(learnt_catalog, plan, tmp_path))["taught"][0] for plan in plans]
    assert keys[0] != keys[1]
    again = go(learnt_catalog, asked(learnt_catalog, enhancer="taught", method="supervised:matched"), tmp_path)
    assert stages(again)["taught"] == (keys[0], True)


def test_it_goes_on_learning_where_asked_to(learnt_catalog: Catalog, tmp_path: Path) -> None:
    still = go(learnt_catalog, asked(learnt_catalog), tmp_path)
    moved = go(learnt_catalog, asked(learnt_catalog, "enhancer.train=true"), tmp_path)
    assert stages(moved)["filter"] == (stages(still)["filter"][0], True)
    assert not torch.equal(weights(moved)["enhancer.filter.weight"], weights(still)["enhancer.filter.weight"])


def test_a_ceiling_has_none_and_fits_none(learnt_catalog: Catalog, tmp_path: Path) -> None:
    result = go(learnt_catalog, asked(learnt_catalog, method="teacher"), tmp_path)
    assert list(stages(result)) == ["teacher"] and not weights(result)


def test_a_finished_run_predicts_with_it(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once")
    result = go(learnt_catalog, plan, tmp_path)
    deployed = load_run(result.folder, result.record, learnt_catalog)
    found = predict_clips(
        deployed, "test", data=None, cache=tmp_path / "cache", bad_clips="fail", device=CPU, reporter=Silent()
    )
    share = float((found.logits.argmax(1) == found.targets).mean())
    assert share == pytest.approx(result.record["scores"]["top1"]["value"])


# -- frames


def test_numbers_are_widened_about_their_middle() -> None:
    single, five = Sampling.parse("2x1"), Sampling.parse("1x5s2")
    assert [single.widened(n) for n in (1, 4)] == [1, 4] and [five.widened(n) for n in (1, 4, 16)] == [5, 8, 16]
    assert single.widen(np.array([[7], [0]]), 9, 4).tolist() == [[6, 7, 8, 8], [0, 0, 1, 2]]
    assert five.widen(np.array([[4, 6, 8, 10, 12]]), 40, 4).tolist() == [[2, 4, 6, 8, 10, 12, 14, 16]]
    assert Sampling.parse("windows-16").widened(16) == 16


@pytest.mark.parametrize("crop", ["after", "before"])
def test_low_views_are_widened_and_high_ones_are_their_middle(
    learnt_catalog: Catalog, tmp_path: Path, crop: str
) -> None:
    degradation = {"after": "average-12x16:clean", "before": "bicubic-6x8"}[crop]
    plan = asked(learnt_catalog, method="cstat:sat", enhancer="four-at-once", degradation=degradation)
    components = components_of(learnt_catalog, plan)
    data = prepare(plan, components, RunContext(out=tmp_path, cache=tmp_path))
    views = data.training_views(low=True, high=True, seed=5)
    batch = views.to_device(views.read(data.train[:3], epoch=1), CPU)
    assert batch.low.shape[:4] == (3, 2, 3, 4) and batch.high.shape[:4] == (3, 2, 3, 1)
    own = data.training_views(low=True, high=True, seed=5, sampling=Sampling.parse("2x1"))
    plain = own.to_device(own.read(data.train[:3], epoch=1), CPU)
    assert torch.equal(plain.high, batch.high)  # the same frame and box, whatever is widened
    assert torch.equal(plain.low, batch.low[:, :, :, 1:2])


def test_the_recognizer_keeps_the_middle_of_what_it_enhances(learnt_catalog: Catalog) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once")
    recognizer = recognizer_of(plan, components_of(learnt_catalog, plan)).eval()
    wide = torch.rand(2, 3, 8, 12, 16)  # two bundles of eight frames
    recognizer.frames = 5
    seen = recognizer.enhance(wide)
    with torch.no_grad():
        halves = torch.cat([recognizer.enhancer(wide[:, :, :4]), recognizer.enhancer(wide[:, :, 4:])], 2)
    assert torch.allclose(seen, halves[:, :, 1:6], atol=1e-6)


def test_pieces_give_what_the_whole_gives(learnt_catalog: Catalog) -> None:
    plan = asked(learnt_catalog)
    recognizer = recognizer_of(plan, components_of(learnt_catalog, plan)).eval()
    low = torch.rand(7, 3, 3, 12, 16)  # 21 frames: more than one piece
    whole = recognizer.enhance(low)  # its parameters learn: in one
    with torch.no_grad():
        assert torch.allclose(recognizer.enhance(low), whole, atol=1e-6)
    recognizer.enhancer.requires_grad_(False)
    assert torch.allclose(recognizer.enhance(low), whole, atol=1e-6)


def test_its_cost_counts_all_frames_that_it_sees(learnt_catalog: Catalog) -> None:
    def macs(enhancer: str) -> float:
        plan = asked(learnt_catalog, enhancer=enhancer)
        components = components_of(learnt_catalog, plan)
        record = cost_of(recognizer_of(plan, components), describe_plan(plan, components), (12, 16), CPU)
        return float(record["macs"]["enhancer"])

    # A 3x3 filter from 3 to 3 channels on 24x32 pixels; one of 3x3x3 on four frames.
    assert macs("framewise") == 81 * 24 * 32 and macs("four-at-once") == 4 * 243 * 24 * 32


def test_what_it_learnt_by_does_not_change_what_it_costs(learnt_catalog: Catalog) -> None:
    plans = [asked(learnt_catalog), asked(learnt_catalog, "enhancer.lr=0.01")]
    one, other = (describe_plan(plan, components_of(learnt_catalog, plan)) for plan in plans)
    assert one == other


# -- what may be asked for


def test_an_enhancer_refuses_what_it_cannot_reach(learnt_catalog: Catalog) -> None:
    with pytest.raises(ElrError, match="brings views to heights that four divides, not to 26"):
        asked(learnt_catalog, size="26x32")


def test_a_variant_may_stand_for_an_enhancer(learnt_catalog: Catalog) -> None:
    def named(method: str, **fields: Any) -> Plan:
        return resolve_plan(learnt_catalog, PlanRequest(method=method, dataset="toy", **fields))

    assert named("by-name").enhancer == "framewise" and named("by-name:plain").enhancer == "bilinear"
    assert named("by-name:plain", enhancer="bilinear") == named("by-name:plain")
    assert "method.enhancer" not in named("by-name").settings
    with pytest.raises(ElrError, match="'by-name:plain' .*enhancer bilinear; .*--enhancer framewise"):
        named("by-name:plain", enhancer="framewise")
    with pytest.raises(ElrError, match="variants 'plain' and 'learnt' of method 'by-name' .*enhancer"):
        named("by-name:plain+learnt")


def test_a_budget_of_an_enhancer_sets_its_own_options_alone(learnt_catalog: Catalog) -> None:
    section = learnt_catalog.enhancers
    spec = dataclasses.replace(section["framewise"], budgets={"smoke": {"size": "8x8"}})
    held = {**{name: section[name] for name in section}, "framewise": spec}
    wrong = dataclasses.replace(learnt_catalog, enhancers=type(section)(section.kind, held))
    with pytest.raises(ElrError, match="option in a budget of enhancer 'framewise': 'size'"):
        asked(wrong)


def test_the_conformance_check_fits_it_too(learnt_catalog: Catalog, tmp_path: Path) -> None:
    from elrbench_plugins.commands.check.check import check_plugin

    found = list(check_plugin(learnt_catalog, "learnt", work=tmp_path))
    assert [finding for finding in found if finding.outcome != "ok"] == []
    assert {finding.component for finding in found if finding.check == "trains in a smoke run"} >= {
        "enhancer framewise", "enhancer four-at-once", "enhancer taught",
    }  # fmt: skip


# -- what it makes of a clip is kept


def ready(catalog: Catalog, plan: Plan, cache: Path) -> Any:
    return prepare(plan, components_of(catalog, plan), RunContext(out=cache, cache=cache))


def fitted(catalog: Catalog, plan: Plan, frames: int = 1) -> Enhancer:
    torch.manual_seed(0)
    module = recognizer_of(plan, components_of(catalog, plan)).enhancer
    return Enhancer(module=module, frames=frames, stage="made-up", device=CPU)


def test_kept_views_are_what_the_recognizer_makes_of_low_ones(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, method="cstat:sat")
    data = ready(learnt_catalog, plan, tmp_path)
    recognizer = recognizer_of(plan, components_of(learnt_catalog, plan)).eval()
    enhancer = Enhancer(module=recognizer.enhancer, frames=1, stage="made-up", device=CPU)
    low, kept = (
        views.to_device(views.read(data.train[:5], epoch=2), CPU)
        for views in (
            data.training_views(low=True, high=True, seed=5),
            data.training_views(low=True, high=True, seed=5, enhancer=enhancer),
        )
    )
    assert (
        isinstance(kept.low, Enhanced) and kept.low.shape == (5, 2, 3, 1, 24, 32) and not isinstance(low.low, Enhanced)
    )
    assert torch.equal(kept.high, low.high) and torch.equal(kept.box, low.box)
    with torch.no_grad():
        seen, past = recognizer.trace(low.low, low.mask, low.box), recognizer.trace(kept.low, kept.mask, kept.box)
    # Kept frames end at black and white, and the box mixes neighbours: only where none of these went beyond.
    beyond = ((seen.image <= 0.01) | (seen.image >= 0.99)).float()
    inside = max_pool2d(beyond, 5, 1, 2) == 0
    assert inside.float().mean() > 0.2
    assert (seen.image - past.image)[inside].abs().max() < 0.6 / 255
    assert type(past.image) is Tensor


def test_kept_windows_begin_at_the_clips_first_frame(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once", sampling="1x1")
    data = ready(learnt_catalog, plan, tmp_path)
    enhancer = fitted(learnt_catalog, plan, frames=4)
    stock = enhanced_view_plan(data.view_plan, enhancer)
    ensure_enhanced(data.store, data.train[:2], stock.low, enhancer)
    low = data.store.reader(data.view_plan.low).frames(data.train[1], range(4, 8))
    view = torch.from_numpy(low).float().div(255).transpose(0, 1)[None]
    with torch.no_grad():
        due = enhancer.module(view)[0].transpose(0, 1).clamp(0, 1).mul(255).round().to(torch.uint8)
    kept = data.store.reader(stock.low).frames(data.train[1], range(4, 8))
    assert np.abs(kept.astype(int) - due.numpy()).max() <= 1  # two windows at once are summed in another order


def test_a_clip_that_ends_within_a_window_keeps_its_own_frames(learnt_catalog: Catalog, tmp_path: Path) -> None:
    plan = asked(learnt_catalog, enhancer="four-at-once", sampling="1x1")
    data = ready(learnt_catalog, plan, tmp_path)
    three = dataclasses.replace(fitted(learnt_catalog, plan), frames=3, module=Repeat())
    stock = enhanced_view_plan(data.view_plan, three)
    ensure_enhanced(data.store, data.train[:1], stock.low, three)
    reader = data.store.reader(stock.low)
    assert reader.count(data.train[0]) == 8  # in windows of 3, 3 and 2
    low = data.store.reader(data.view_plan.low).frames(data.train[0], range(8))
    assert np.array_equal(reader.frames(data.train[0], range(8))[:, :, 0, 0], low[:, :, 0, 0])


class Repeat(nn.Module):
    """Take three frames at once and repeat their first pixel."""

    def forward(self, view: Tensor) -> Tensor:
        assert view.shape[2] == 3
        return view[..., :1, :1].expand(*view.shape[:3], 24, 32)


def test_a_run_makes_them_once_and_other_weights_anew(learnt_catalog: Catalog, tmp_path: Path) -> None:
    def kept() -> set[str]:
        found = (tmp_path / "cache" / "clips").glob("*/recipe.json")
        return {path.parent.name for path in found if '"kind": "enhanced"' in path.read_text()}

    go(learnt_catalog, asked(learnt_catalog), tmp_path)
    first = kept()
    assert len(first) == 1
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache" / "clips" / min(first)).rglob("*.clip")}
    assert len(files) == 24  # the training clips; test clips go through the recognizer
    go(learnt_catalog, asked(learnt_catalog, backbone="resnet18"), tmp_path)
    assert kept() == first and all(path.stat().st_mtime_ns == when for path, when in files.items())
    go(learnt_catalog, asked(learnt_catalog, "enhancer.lr=0.01"), tmp_path)
    assert len(kept()) == 2


def test_an_estimate_extrapolates_them_by_frames(
    learnt_catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, float]] = []

    def extrapolate(self: StageTimer, name: str, compute: Any, times: float) -> None:
        told.append((name, times))
        compute()

    monkeypatch.setattr(StageTimer, "extrapolate", extrapolate)

    def estimate(*settings: str, **fields: Any) -> list[tuple[str, float]]:
        plan = asked(learnt_catalog, *settings, **fields)
        components = components_of(learnt_catalog, plan)
        data = prepare(plan, components, RunContext(out=tmp_path / "cache", cache=tmp_path / "cache"))
        owners = {kind: owner.identity for kind, owner in owners_of(learnt_catalog, components).items()}
        given = {"inputs": data.stage_inputs(owners), "device": CPU, "cache": tmp_path / "cache"}
        told.clear()
        seconds = estimate_times(plan, components, clips=24, frames=10, **given)
        assert ("student" in seconds) and seconds["student"] > 0
        return list(told)

    assert estimate() == [("enhanced clips", 10 * 24 / AT_ONCE)]  # a frame at a time, eight in a batch
    assert estimate("enhancer.keep=true", enhancer="four-at-once") == [("enhanced clips", 3 * 24)]
    assert estimate(enhancer="four-at-once") == []
    go(learnt_catalog, asked(learnt_catalog), tmp_path)
    assert estimate("method.lr=0.5") == []


@pytest.mark.parametrize(
    ("settings", "fields"),
    [(("enhancer.train=true",), {}), ((), {"degradation": "bicubic-6x8"}), ((), {"enhancer": "four-at-once"})],
)
def test_none_are_kept_where_they_differ_from_epoch_to_epoch(
    learnt_catalog: Catalog, tmp_path: Path, settings: tuple[str, ...], fields: dict[str, str]
) -> None:
    go(learnt_catalog, asked(learnt_catalog, *settings, **fields), tmp_path)
    recipes = [path.read_text() for path in (tmp_path / "cache" / "clips").glob("*/recipe.json")]
    assert recipes and not any('"enhanced"' in text for text in recipes)
    if fields.get("enhancer"):
        go(learnt_catalog, asked(learnt_catalog, "enhancer.keep=true", **fields), tmp_path)
        recipes = [path.read_text() for path in (tmp_path / "cache" / "clips").glob("*/recipe.json")]
        assert sum('"enhanced"' in text for text in recipes) == 1


def test_the_cache_lists_them(learnt_catalog: Catalog, tmp_path: Path) -> None:
    from elrbench_plugins.commands.cache.contents import read_cache

    go(learnt_catalog, asked(learnt_catalog), tmp_path)
    found = [each.to_json() for each in read_cache(tmp_path / "cache").formats if each.kind == "enhanced"]
    assert [(each["size"], each["clips"]) for each in found] == [("24x32", 24)]
    assert "average" in found[0]["degradation"]


# -- what flow is made of


def test_flow_is_made_of_what_a_learnt_enhancer_names(learnt_catalog: Catalog) -> None:
    plan = {"modality": "flow", "dataset": "toy", "size": "24x32"}
    with pytest.raises(ElrError, match="'framewise' has parameters to train"):
        asked(learnt_catalog, **plan)
    section = learnt_catalog.enhancers
    spec = dataclasses.replace(section["framewise"], flow="bicubic")
    held = {**{name: section[name] for name in section}, "framewise": spec}
    other = dataclasses.replace(learnt_catalog, enhancers=type(section)(section.kind, held))
    resolved = asked(other, **plan)
    pytest.importorskip("cv2")
    stock = view_plan_of(resolved, components_of(other, resolved))
    usual = asked(learnt_catalog, **plan, enhancer="bicubic")
    assert stock.low.key == view_plan_of(usual, components_of(learnt_catalog, usual)).low.key
